package fuse

import (
	"slices"
	"strings"
	"testing"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// list reads a folder to its end, and returns the names and those that came
// with attributes.
func (b *bound) list(dir uint64, plus bool) (names, linked []string) {
	b.t.Helper()
	var open gofuse.OpenOut
	if status := b.OpenDir(nil, &gofuse.OpenIn{InHeader: header(dir)}, &open); status != gofuse.OK {
		b.t.Fatalf("opendir = %v", status)
	}
	defer b.ReleaseDir(&gofuse.ReleaseIn{InHeader: header(dir), Fh: open.Fh})
	off := uint64(0)
	for {
		entries, attrs := b.page(dir, open.Fh, off, 4096, plus)
		if len(entries) == 0 {
			return names, linked
		}
		for i, e := range entries {
			names = append(names, e.Name)
			if plus && attrs[i].NodeId != 0 {
				linked = append(linked, e.Name)
			}
			off = e.Off
		}
	}
}

// page reads one buffer full of entries.
func (b *bound) page(dir, fh, off uint64, size int, plus bool) ([]gofuse.DirEntry, []gofuse.EntryOut) {
	b.t.Helper()
	in := &gofuse.ReadIn{InHeader: header(dir), Fh: fh, Offset: off}
	list := gofuse.NewDirEntryList(make([]byte, size), off)
	if !plus {
		if status := b.ReadDir(nil, in, list); status != gofuse.OK {
			b.t.Fatalf("readdir = %v", status)
		}
		entries, err := gofuse.ParseDirEntries(list.Bytes())
		if err != nil {
			b.t.Fatal(err)
		}
		return entries, nil
	}
	if status := b.ReadDirPlus(nil, in, list); status != gofuse.OK {
		b.t.Fatalf("readdirplus = %v", status)
	}
	entries, attrs, err := gofuse.ParseDirLookupEntries(list.Bytes())
	if err != nil {
		b.t.Fatal(err)
	}
	return entries, attrs
}

func TestReadDirAsksNobody(t *testing.T) {
	b := bind(t, Options{})
	heads := b.lookup("heads").NodeId
	before := b.nodes.count.Load()
	names, linked := b.list(heads, true)
	if len(names) != 6 || linked != nil {
		t.Errorf("listing = %v, with attributes %v, want 6 names and none", names, linked)
	}
	if n := b.s.infos.Load(); n != 0 {
		t.Errorf("listing asked for %d sizes, want none", n)
	}
	if after := b.nodes.count.Load(); after != before {
		t.Errorf("listing without attributes left %d nodes", after-before)
	}
}

func TestReadDirPlusCounts(t *testing.T) {
	b := bind(t, Options{})
	run := b.lookup("run").NodeId
	names, linked := b.list(run, true)
	if want := []string{".", "..", "empty", "output.bin", "status"}; !slices.Equal(names, want) {
		t.Errorf("listing = %v, want %v", names, want)
	}
	if want := []string{"empty", "output.bin", "status"}; !slices.Equal(linked, want) {
		t.Errorf("attributes of %v, want of %v", linked, want)
	}
	b.lookup("run/status") // a second time known
	b.Forget(tree.Ino("status"), 1)
	if _, status := b.stat(tree.Ino("status")); status != gofuse.OK {
		t.Errorf("stat after one of two is forgotten = %v, want OK", status)
	}
	b.Forget(tree.Ino("status"), 1)
	if _, status := b.stat(tree.Ino("status")); status != gofuse.ENOENT {
		t.Errorf("stat after both are forgotten = %v, want ENOENT", status)
	}
}

func TestReadDirCountsOnlyWhatFits(t *testing.T) {
	b := bind(t, Options{})
	run := b.lookup("run").NodeId
	var open gofuse.OpenOut
	b.OpenDir(nil, &gofuse.OpenIn{InHeader: header(run)}, &open)
	seen := map[uint64]uint64{}
	var names []string
	for off := uint64(0); ; {
		// Room for one or two entries: what does not fit must not count.
		entries, attrs := b.page(run, open.Fh, off, 360, true)
		if len(entries) == 0 {
			break
		}
		for i, e := range entries {
			names = append(names, e.Name)
			off = e.Off
			if attrs[i].NodeId != 0 {
				seen[attrs[i].NodeId]++
			}
		}
	}
	if want := []string{".", "..", "empty", "output.bin", "status"}; !slices.Equal(names, want) {
		t.Errorf("listing = %v, want %v", names, want)
	}
	for id, n := range seen {
		b.Forget(id, n)
	}
	b.Forget(run, 1)
	if n := b.nodes.count.Load(); n != 0 {
		t.Errorf("%d nodes are left after all were forgotten", n)
	}
}

func TestReadDirOfAFolderThatChanges(t *testing.T) {
	b := bind(t, Options{})
	desk := b.lookup("desk").NodeId
	if names, linked := b.list(desk, true); len(names) != 3 || linked != nil {
		t.Errorf("listing = %v, with attributes %v, want 3 names and none", names, linked)
	}
	var open gofuse.OpenOut
	b.OpenDir(nil, &gofuse.OpenIn{InHeader: header(desk)}, &open)
	if open.OpenFlags != 0 {
		t.Errorf("flags of the folder = %x, want none", open.OpenFlags)
	}
	entries, _ := b.page(desk, open.Fh, 0, 4096, false)
	b.s.desk.Create(t.Context(), "a")
	if more, _ := b.page(desk, open.Fh, entries[0].Off, 4096, false); len(more) != 2 || more[1].Name != "prompt.txt" {
		t.Errorf("listing after a new name = %v, want it as it was", more)
	}
	// rewinddir
	if anew, _ := b.page(desk, open.Fh, 0, 4096, false); len(anew) != 4 || anew[2].Name != "a" {
		t.Errorf("listing from the start = %v, want the new name in it", anew)
	}
	if names, _ := b.list(desk, false); len(names) != 4 {
		t.Errorf("new opening lists %v, want the new name in it", names)
	}
}

func TestReadDirFlags(t *testing.T) {
	b := bind(t, Options{})
	var open gofuse.OpenOut
	b.OpenDir(nil, &gofuse.OpenIn{InHeader: header(b.lookup("run").NodeId)}, &open)
	if want := uint32(gofuse.FOPEN_CACHE_DIR | gofuse.FOPEN_KEEP_CACHE); open.OpenFlags != want {
		t.Errorf("flags of a final folder = %x, want %x", open.OpenFlags, want)
	}
	open = gofuse.OpenOut{}
	b.OpenDir(nil, &gofuse.OpenIn{InHeader: header(rootID)}, &open)
	if open.OpenFlags != 0 {
		t.Errorf("flags of the root = %x, want none", open.OpenFlags)
	}
}

func TestReadDirLeavesOutWhatTheKernelRefuses(t *testing.T) {
	b := bind(t, Options{})
	good := tree.Bytes(tree.Ino("good"), when, nil)
	b.s.extra = []tree.Entry{
		{Name: "a/b", Node: good}, {Name: "", Node: good}, {Name: "..", Node: good},
		{Name: strings.Repeat("x", 256), Node: good},
		{Name: "number", Node: tree.Bytes(1, when, nil)},
		{Name: "high", Node: tree.Bytes(1<<63, when, nil)},
		{Name: "nil"},
		{Name: "good", Node: good},
	}
	names, _ := b.list(rootID, true)
	if want := []string{".", "..", "desk", "good", "heads", "latest", "live.txt", "run"}; !slices.Equal(names, want) {
		t.Errorf("listing = %v, want %v", names, want)
	}
}

func TestOldListingTellsOnlyNames(t *testing.T) {
	b := bind(t, Options{})
	run := b.lookup("run").NodeId
	var open gofuse.OpenOut
	b.OpenDir(nil, &gofuse.OpenIn{InHeader: header(run)}, &open)
	b.page(run, open.Fh, 0, 200, true)
	l := b.handles.get(open.Fh).(*listing)
	l.taken = l.taken.Add(-fresh)
	_, attrs := b.page(run, open.Fh, 2, 4096, true)
	for _, a := range attrs {
		if a.NodeId != 0 {
			t.Errorf("an old listing told attributes of %d", a.NodeId)
		}
	}
}
