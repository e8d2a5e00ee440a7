package cache

import (
	"errors"
	"os"
	"path/filepath"
)

// Pin keeps the data of key: no limit evicts it and Clear spares it, in this process and later ones, until Unpin or Forget.
// It may come before the data does, and survives a crash. How much may be kept is looked at when data is stored: Fill answers
// ErrFull.
func (c *Cache) Pin(key string) error {
	if c.disk == nil {
		return errors.ErrUnsupported
	}
	name := c.disk.nameOf(key)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	// That the file is there is all that counts; what is in it is for people.
	err := os.WriteFile(name+".keep", []byte(key), 0o600)
	if err == nil {
		err = syncDir(filepath.Dir(name))
	}
	if err == nil {
		c.repin(key, true)
	}
	return err
}

// Unpin ends a Pin. The data stays as long as it would without.
func (c *Cache) Unpin(key string) error {
	if c.disk == nil {
		return errors.ErrUnsupported
	}
	err := removed(os.Remove(c.disk.nameOf(key) + ".keep"))
	if err == nil {
		c.repin(key, false)
	}
	return err
}

// Pinned tells whether key is pinned.
func (c *Cache) Pinned(key string) bool {
	if c.disk == nil {
		return false
	}
	_, err := os.Stat(c.disk.nameOf(key) + ".keep")
	return err == nil
}

// repin moves what an open object uses from one account to the other; the next walk does it for others.
func (c *Cache) repin(key string, kept bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, o := range c.objects {
		if id.key != key {
			continue
		}
		o.mu.Lock()
		if s := &o.store; s.kept != kept {
			s.kept = kept
			if s.file != nil {
				n := used(s.file)
				c.disk.account(-n, !kept)
				c.disk.account(n, kept)
			}
		}
		o.mu.Unlock()
	}
	c.evictor.wake()
}

// Forget ends a Pin of key and deletes what is stored of it. An open object stays readable, without its place on the disk.
func (c *Cache) Forget(key string) error {
	if c.disk == nil {
		return nil
	}
	if err := c.Unpin(key); err != nil {
		return err
	}
	c.mu.Lock()
	for id, o := range c.objects {
		if id.key == key {
			o.mu.Lock()
			o.discardLocked()
			o.mu.Unlock()
		}
	}
	c.mu.Unlock()
	freed, err := c.disk.remove(c.disk.nameOf(key), true)
	c.disk.account(-freed, false)
	return err
}
