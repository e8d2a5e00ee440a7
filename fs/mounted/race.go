//go:build race

package mounted

const race = true
