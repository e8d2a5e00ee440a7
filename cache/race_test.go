//go:build race

package cache

// Under the race detector a sync.Pool drops at random, and ristretto counts nothing.
const raceEnabled = true
