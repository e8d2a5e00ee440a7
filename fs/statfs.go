package fs

// Statfs is what df shows, in bytes: used is the size of everything whose
// size is known, free what the disk under the cache has left.
func (f *FS) Statfs() (used, free, total uint64) {
	used, free = uint64(f.known.Load()), uint64(f.cache.Stats().DiskFree)
	return used, free, used + free
}

// sum adds up the sizes that earlier mounts learned.
func (f *FS) sum() {
	size, err := f.catalog.Size(f.life)
	if err != nil {
		f.log.Debug("sizes could not be summed up", "err", err)
		return
	}
	f.known.Add(size)
}
