package yamltree

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest is the known word that word is most likely a misspelling of, or ""
// if none is near.
func Nearest(word string, known []string) string {
	if near := NearestN(word, known, 1); len(near) > 0 {
		return near[0]
	}
	return ""
}

// NearestN returns up to n known words that are near word, the nearest first
// and else in their order.
func NearestN(word string, known []string, n int) []string {
	const longest = 256
	if word == "" || len(word) > longest {
		return nil
	}
	type candidate struct {
		word     string
		distance int
	}
	lower := strings.ToLower(word)
	bound := 1 + len(word)/3
	var m measure
	var found []candidate
	for _, k := range known {
		if d := m.distance(lower, strings.ToLower(k), bound); d <= bound && d < len(k) {
			found = append(found, candidate{k, d})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	var words []string
	for _, c := range found[:min(n, len(found))] {
		words = append(words, c.word)
	}
	return words
}

// A measure keeps the rows of the distance table between calls.
type measure struct{ prev2, prev, row []int }

// distance counts the insertions, deletions, substitutions and swaps of
// neighbours between a and b, in bytes; anything above bound if there are more
// than bound.
func (m *measure) distance(a, b string, bound int) int {
	if d := len(a) - len(b); d > bound || -d > bound {
		return bound + 1
	}
	width := len(b) + 1
	m.prev2, m.prev, m.row = grow(m.prev2, width), grow(m.prev, width), grow(m.row, width)
	for j := range width {
		m.prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		m.row[0] = i
		best := i
		for j := 1; j < width; j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(m.prev[j]+1, m.row[j-1]+1, m.prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, m.prev2[j-2]+1)
			}
			m.row[j] = d
			best = min(best, d)
		}
		if best > bound {
			return bound + 1
		}
		m.prev2, m.prev, m.row = m.prev, m.row, m.prev2
	}
	return m.prev[len(b)]
}

// grow returns s with length n; its contents do not matter.
func grow(s []int, n int) []int {
	if cap(s) < n {
		return make([]int, n, 2*n)
	}
	return s[:n]
}
