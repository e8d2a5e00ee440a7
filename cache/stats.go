package cache

import "sync/atomic"

// Stats is a snapshot of counters. Counts are since New; sizes are now, in bytes.
type Stats struct {
	Readers  int   `json:"readers"`   // open readers
	Objects  int   `json:"objects"`   // files with state in this process
	InFlight int64 `json:"in_flight"` // fetches that hold a connection
	Queued   int   `json:"queued"`    // fetches that wait for one
	InUse    int64 `json:"in_use"`    // memory of chunks in flight, in a live window or waiting to be written
	Tier     int64 `json:"tier"`      // memory of the second-chance tier
	Writing  int64 `json:"writing"`   // bytes waiting to be written to the disk (part of InUse)
	Memory   int64 `json:"memory"`    // limit of InUse and Tier and what the garbage collector has yet to find

	Fetches      int64 `json:"fetches"`       // requests made, resumed ones counted again
	FetchedBytes int64 `json:"fetched_bytes"` // bytes that arrived
	Retries      int64 `json:"retries"`       // requests made again after a fault
	Hedged       int64 `json:"hedged"`        // requests made a second time since the first was not answered
	Cancelled    int64 `json:"cancelled"`     // fetches dropped because nobody wanted them any more
	Failed       int64 `json:"failed"`        // fetches given up

	Reads      int64 `json:"reads"`       // calls of ReadAt and ReadVec
	HitsMemory int64 `json:"hits_memory"` // pieces served from chunks in use
	HitsTier   int64 `json:"hits_tier"`   // pieces served from the second-chance tier
	HitsDisk   int64 `json:"hits_disk"`   // pieces served from the disk
	Misses     int64 `json:"misses"`      // pieces that had to wait for the network
	Announced  int64 `json:"announced"`   // bytes given to Announce

	DiskUsed  int64 `json:"disk_used"`  // of the disk tier
	DiskLimit int64 `json:"disk_limit"` //
	KeptFiles int64 `json:"kept_files"` // whole files that no limit evicts
	Kept      int64 `json:"kept"`       // bytes of them
	KeptLimit int64 `json:"kept_limit"` //
	KeptFree  int64 `json:"kept_free"`  // what their disk has free for more, above what must stay free
	DiskFree  int64 `json:"disk_free"`  // what the disk has free for us, above what must stay free
	DiskOff   bool  `json:"disk_off"`   // there is a folder, but the tier was switched off after errors
	Evicted   int64 `json:"evicted"`    // objects evicted from the disk
	Unwritten int64 `json:"unwritten"`  // chunks not stored at once: the disk was too slow, full or faulty, or others went first
	Recalled  int64 `json:"recalled"`   // chunks of them stored later, from who had been given them
	BadChunks int64 `json:"bad_chunks"` // chunks on disk that failed their CRC
	BadFiles  int64 `json:"bad_files"`  // whole files that failed their MD5
}

type counters struct {
	fetches, fetchedBytes, retries, hedged, cancelled, failed, inFlight, receiving atomic.Int64
	reads, hitsMemory, hitsTier, hitsDisk, misses, announced                       atomic.Int64
	unwritten, recalled, badChunks, badFiles                                       atomic.Int64
}

// Stats takes a snapshot.
func (c *Cache) Stats() Stats {
	n := &c.count
	s := Stats{
		InFlight: n.inFlight.Load(), Queued: c.slots.queued(),
		InUse: c.budget.inUse(), Tier: c.tier.held.Load(), Memory: c.opt.Memory,
		Fetches: n.fetches.Load(), FetchedBytes: n.fetchedBytes.Load(), Retries: n.retries.Load(), Hedged: n.hedged.Load(),
		Cancelled: n.cancelled.Load(), Failed: n.failed.Load(),
		Reads: n.reads.Load(), HitsMemory: n.hitsMemory.Load(), HitsTier: n.hitsTier.Load(),
		HitsDisk: n.hitsDisk.Load(), Misses: n.misses.Load(), Announced: n.announced.Load(),
		Unwritten: n.unwritten.Load(), Recalled: n.recalled.Load(), BadChunks: n.badChunks.Load(), BadFiles: n.badFiles.Load(),
	}
	c.mu.Lock()
	s.Readers, s.Objects = len(c.readers), len(c.objects)
	c.mu.Unlock()
	if d := c.disk; d != nil {
		s.Writing = c.writer.queued()
		s.DiskUsed, s.DiskLimit = max(d.usedNow.Load(), 0), d.limit // between two walks it is an estimate
		s.DiskFree, s.DiskOff = max(d.spare(0), 0), d.off()
		s.Evicted = d.evicted.Load()
	}
	if v := c.vault; v != nil {
		s.KeptFiles, s.Kept, s.KeptLimit, s.KeptFree = v.files.Load(), v.usedNow.Load(), v.limit, max(v.spare(0), 0)
	}
	return s
}

// Report says what a round of maintenance met and did.
type Report struct {
	Objects int   `json:"objects"` // objects looked at
	Bytes   int64 `json:"bytes"`   // bytes looked at
	Kept    int   `json:"kept"`    // objects spared because they are kept
	Busy    int   `json:"busy"`    // objects spared because they are open, here or in another process
	Bad     int   `json:"bad"`     // chunks that failed their check
	Removed int   `json:"removed"` // objects deleted
	Freed   int64 `json:"freed"`   // bytes given back to the disk
}
