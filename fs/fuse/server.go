package fuse

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// A Server is a mounted tree.
type Server struct {
	b    *binding
	dir  string
	fuse *gofuse.Server
	done chan struct{} // closed when everything has ended

	mu    sync.Mutex // guards tried
	tried bool       // Unmount was called before
	force sync.Once
}

// serve answers requests until the mount is gone, and then ends the rest.
func (s *Server) serve() {
	go s.b.news.run()
	s.fuse.Serve()
	s.b.news.close()
	s.b.saves.Wait()
	close(s.done)
}

// found notes the mount's number, and raises what the kernel reads ahead.
func (s *Server) found() {
	// Never by stat: our own answer to it might be what it waits for.
	m, err := mountAt(s.dir)
	if err != nil || m.kind != "fuse."+fsType {
		s.b.log.Debug("mount not found", "dir", s.dir, "err", err)
		return
	}
	s.b.mount.Lock()
	s.b.mount.device = m.device
	s.b.mount.Unlock()
	if err := readAhead(m.device); err != nil {
		s.b.log.Debug("read ahead as it was", "err", err)
	}
}

// Dir is the real path of the folder that is mounted.
func (s *Server) Dir() string { return s.dir }

// Notify tells the kernel of a change. It never waits; changes that are told
// twice before the kernel heard of them are told to it once.
func (s *Server) Notify(c tree.Change) { s.b.news.add(c) }

// Wait waits until the mount is gone, by whatever means, and everything that
// was written is saved.
func (s *Server) Wait() { <-s.done }

const (
	// stubborn is how long a busy mount is asked again to let go. A program
	// that has just ended may still have its files on the way out.
	stubborn = 5 * time.Second

	// again is the time between two such attempts.
	again = 100 * time.Millisecond
)

// Unmount takes the mount away: as it should be; or, if it is in use for some
// seconds or until ctx ends, from everybody who comes later. Then it waits
// for those who still use it, and for what is still being saved, until ctx
// ends.
//
// A second call waits for nobody: saves stop waiting for their outcome, and
// who still uses the mount gets errors, at the latest when this process ends.
func (s *Server) Unmount(ctx context.Context) error {
	s.mu.Lock()
	force := s.tried
	s.tried = true
	s.mu.Unlock()
	if force {
		s.force.Do(func() {
			close(s.b.quit)
			s.b.stopPushing(ctx)
		})
	}
	if err := s.detach(ctx, force); err != nil {
		return err
	}
	if force {
		if err := abort(s.b.device()); err != nil {
			s.b.log.Debug("connection not aborted", "err", err)
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, again)
			defer cancel()
		}
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s is unmounted, but still in use: %w", s.dir, tree.ErrBusy)
	}
}

// detach takes the mount out of the tree of files.
func (s *Server) detach(ctx context.Context, force bool) error {
	giveUp := time.NewTimer(stubborn)
	defer giveUp.Stop()
	for lazy := force; ; {
		m, err := mountAt(s.dir)
		if device := s.b.device(); err != nil || device != "" && m.device != device {
			return nil // gone already
		}
		err = detach(s.dir, lazy)
		if err == nil || lazy || !errors.Is(err, tree.ErrBusy) {
			return err
		}
		select {
		case <-s.done:
		case <-time.After(again):
		case <-giveUp.C:
			lazy = true
		case <-ctx.Done():
			lazy = true
		}
		if lazy {
			s.b.log.Warn("the mount is in use, it goes away when its users do", "dir", s.dir)
		}
	}
}

// Stats are figures of a mount.
type Stats struct {
	Nodes       int   // known to the kernel
	Handles     int   // open files and folders
	Changes     int   // not yet told to the kernel
	Dropped     int   // changes that were too many
	Pushed      int64 // bytes put into the kernel's cache
	Passthrough bool  // the kernel reads local files itself
}

// Stats returns the figures of now.
func (s *Server) Stats() Stats {
	waiting, dropped := s.b.news.news()
	return Stats{
		Nodes:       int(s.b.nodes.count.Load()),
		Handles:     s.b.handles.count(),
		Changes:     waiting,
		Dropped:     dropped,
		Pushed:      s.b.pushed.Load(),
		Passthrough: s.b.backing.worked.Load(),
	}
}
