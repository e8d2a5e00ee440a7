package fs

// Statfs is what df shows, in bytes: used is what is held here, free what
// the disk under the cache has left.
func (f *FS) Statfs() (used, free, total uint64) {
	s := f.cache.Stats()
	used, free = uint64(s.DiskUsed+s.Kept), uint64(s.DiskFree)
	return used, free, used + free
}
