package cache

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The disk tier is emptied from its limit down to this part of it, so that not every new file costs a walk.
const evictTo = 0.9

// entry is one object on the disk.
type entry struct {
	name string // path without ending
	used int64  // space on the disk
	last time.Time
	data bool // there are bytes
	meta bool // there is a sidecar
}

// walk gives all objects, and takes the figures of what they use anew. Names that we do not make are not ours, and are
// left alone.
func (d *disk) walk() ([]entry, error) {
	root := filepath.Join(d.dir, "objects")
	folders, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var all []entry
	var used int64
	for _, folder := range folders {
		if !isHex(folder.Name(), 2) || !folder.IsDir() {
			continue
		}
		files, err := os.ReadDir(filepath.Join(root, folder.Name()))
		if err != nil {
			continue // somebody else removed it, or we may not look
		}
		found := map[string]*entry{}
		var order []string
		for _, file := range files {
			base, ext, _ := strings.Cut(file.Name(), ".")
			if !isHex(base, 62) || ext != "data" && ext != "meta" {
				continue
			}
			e := found[base]
			if e == nil {
				e = &entry{name: filepath.Join(root, folder.Name(), base)}
				found[base] = e
				order = append(order, base)
			}
			var st unix.Stat_t
			if unix.Stat(e.name+"."+ext, &st) != nil {
				continue
			}
			e.used += st.Blocks * 512
			switch ext {
			case "data":
				e.data = true
			case "meta":
				e.meta, e.last = true, time.Unix(st.Mtim.Unix())
			}
		}
		for _, base := range order {
			all = append(all, *found[base])
			used += found[base].used
		}
	}
	d.usedNow.Store(used)
	return all, nil
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

var errBusy = errors.New("object is in use")

// remove deletes an object unless somebody has it open, here or in another process.
func (d *disk) remove(name string) (freed int64, err error) {
	f, err := os.Open(name + ".data")
	if err == nil {
		defer f.Close()
		if flock(f, unix.LOCK_EX|unix.LOCK_NB) != nil {
			return 0, errBusy
		}
		if !linked(f) {
			return 0, nil
		}
		freed = used(f)
	}
	// The sidecar first: without it the rest is nothing.
	err = errors.Join(removed(os.Remove(name+".meta")), removed(os.Remove(name+".meta.tmp")), removed(os.Remove(name+".data")))
	return freed, err
}

// evict deletes what was not used for longest until the tier is below its limit and the disk has its reserve.
func (d *disk) evict() (Report, error) {
	d.evictMu.Lock()
	defer d.evictMu.Unlock()
	var rep Report
	all, err := d.walk()
	if err != nil {
		return rep, err
	}
	slices.SortFunc(all, func(a, b entry) int { return a.last.Compare(b.last) })
	goal := int64(float64(d.limit) * evictTo)
	over := d.usedNow.Load() > goal
	for _, e := range all {
		rep.Objects++
		rep.Bytes += e.used
		leftover := e.data != e.meta // a crash before the first sidecar, or in a delete; one in the making is locked
		if !leftover && (!over || d.usedNow.Load() <= goal) && d.spare(0) >= 0 {
			continue
		}
		freed, err := d.remove(e.name)
		switch {
		case errors.Is(err, errBusy):
			rep.Busy++
		case err == nil:
			rep.Removed++
			rep.Freed += freed
			d.usedNow.Add(-e.used)
			d.spare(-freed)
			if !leftover {
				d.evicted.Add(1)
			}
		}
	}
	return rep, nil
}

// evictor keeps the disk tier below its limit, in the background.
type evictor struct {
	d    *disk
	kick chan struct{}
	stop chan struct{}
	done chan struct{}
}

func newEvictor(d *disk) *evictor {
	return &evictor{d: d, kick: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
}

// look wakes the evictor when it is time. It is cheap.
func (e *evictor) look() {
	if e.d.usedNow.Load() > e.d.limit/100*97 || e.d.spare(0) < 0 {
		e.wake()
	}
}

func (e *evictor) wake() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

func (e *evictor) run() {
	defer close(e.done)
	if _, err := e.d.evict(); err != nil { // the first round counts what there is
		e.d.log.Debug("disk tier is not measured", "error", err)
	}
	for {
		select {
		case <-e.kick:
		case <-e.stop:
			return
		}
		if _, err := e.d.evict(); err != nil {
			e.d.log.Debug("disk tier is not evicted", "error", err)
		}
		// When all that is left is in use, another walk at once would find the same.
		t := time.NewTimer(time.Second)
		select {
		case <-t.C:
		case <-e.stop:
			t.Stop()
			return
		}
	}
}

func (e *evictor) end() {
	close(e.stop)
	<-e.done
}
