//go:build !race

package mounted

const race = false
