package output

import "slices"

const (
	// maxEdits bounds the search for the fewest edits, which takes time and
	// memory with their number.
	maxEdits = 256
	// maxSplits bounds how deep texts are split at their unique lines.
	maxSplits = 16
)

// pairLines says for each line of a which equal line of b it stays as, -1 for
// none; the pairs do not cross. Where two parts differ by few edits they are
// the fewest possible. Otherwise the parts are split at lines that both have
// exactly once, and where there is no such line, nothing in them stays: the
// time is bounded however different the texts are.
func pairLines(a, b []string) []int32 {
	ids := make(map[string]int32)
	number := func(lines []string) []int32 {
		numbers := make([]int32, len(lines))
		for i, line := range lines {
			id, ok := ids[line]
			if !ok {
				id = int32(len(ids))
				ids[line] = id
			}
			numbers[i] = id
		}
		return numbers
	}
	p := pairing{a: number(a), b: number(b), pairs: make([]int32, len(a))}
	p.seen = make([]occurrence, len(ids))
	for i := range p.pairs {
		p.pairs[i] = -1
	}
	p.solve(part{0, len(a), 0, len(b)}, 0)
	return p.pairs
}

// A pairing is two texts, whose equal lines have equal numbers, and the pairs
// found so far.
type pairing struct {
	a, b  []int32
	pairs []int32
	seen  []occurrence // by number; zero outside anchors
}

// An occurrence is how often a line is in each part, and where last.
type occurrence struct{ inA, inB, atA, atB int32 }

// A part is the lines a0 to a1, exclusive, against the lines b0 to b1.
type part struct{ a0, a1, b0, b1 int }

func (p *pairing) solve(t part, depth int) {
	for t.a0 < t.a1 && t.b0 < t.b1 && p.a[t.a0] == p.b[t.b0] {
		p.pairs[t.a0] = int32(t.b0)
		t.a0, t.b0 = t.a0+1, t.b0+1
	}
	for t.a0 < t.a1 && t.b0 < t.b1 && p.a[t.a1-1] == p.b[t.b1-1] {
		t.a1, t.b1 = t.a1-1, t.b1-1
		p.pairs[t.a1] = int32(t.b1)
	}
	if t.a0 == t.a1 || t.b0 == t.b1 || p.fewest(t) || depth == maxSplits {
		return
	}
	anchors := p.anchors(t)
	if len(anchors) == 0 {
		return
	}
	for _, anchor := range anchors {
		i, j := int(anchor.atA), int(anchor.atB)
		p.pairs[i] = int32(j)
		p.solve(part{t.a0, i, t.b0, j}, depth+1)
		t.a0, t.b0 = i+1, j+1
	}
	p.solve(t, depth+1)
}

// A frontier is how far into a the search got on each diagonal (lines of a
// passed, less lines of b passed), for the diagonals from -edits-1 to edits+1.
type frontier []int32

func (f frontier) at(diagonal int) int { return int(f[len(f)/2+diagonal]) }

// down reports whether the best way to a diagonal, with so many edits, adds a
// line of b; otherwise it drops one of a.
func (f frontier) down(diagonal, edits int) bool {
	return diagonal == -edits || (diagonal != edits && f.at(diagonal-1) < f.at(diagonal+1))
}

// fewest pairs the lines of t with the fewest edits, by the greedy algorithm of
// Myers, unless these are too many.
func (p *pairing) fewest(t part) bool {
	a, b := p.a[t.a0:t.a1], p.b[t.b0:t.b1]
	most := min(maxEdits, len(a)+len(b))
	all := make(frontier, 2*most+3)
	var steps []frontier // before each number of edits
	for edits := 0; edits <= most; edits++ {
		mid := len(all) / 2
		before := frontier(slices.Clone(all[mid-edits-1 : mid+edits+2]))
		steps = append(steps, before)
		for diagonal := -edits; diagonal <= edits; diagonal += 2 {
			x := before.at(diagonal-1) + 1
			if before.down(diagonal, edits) {
				x = before.at(diagonal + 1)
			}
			y := x - diagonal
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y = x+1, y+1
			}
			if x >= len(a) && y >= len(b) {
				p.retrace(t, steps)
				return true
			}
			all[mid+diagonal] = int32(x)
		}
	}
	return false
}

// retrace follows the steps of fewest back from the end of t and pairs the
// lines that were passed without an edit.
func (p *pairing) retrace(t part, steps []frontier) {
	x, y := t.a1-t.a0, t.b1-t.b0
	for edits := len(steps) - 1; edits >= 0; edits-- {
		fromX, fromY := 0, 0
		if edits > 0 {
			diagonal := x - y
			from := diagonal - 1
			if steps[edits].down(diagonal, edits) {
				from = diagonal + 1
			}
			fromX = steps[edits].at(from)
			fromY = fromX - from
		}
		for x > fromX && y > fromY {
			x, y = x-1, y-1
			p.pairs[t.a0+x] = int32(t.b0 + y)
		}
		x, y = fromX, fromY
	}
}

// anchors are lines that each side of t has exactly once, the most that can be
// paired without crossing, in order.
func (p *pairing) anchors(t part) []occurrence {
	a, b := p.a[t.a0:t.a1], p.b[t.b0:t.b1]
	for i, id := range a {
		p.seen[id].inA++
		p.seen[id].atA = int32(t.a0 + i)
	}
	for j, id := range b {
		p.seen[id].inB++
		p.seen[id].atB = int32(t.b0 + j)
	}
	var unique []occurrence
	for _, id := range a {
		if o := p.seen[id]; o.inA == 1 && o.inB == 1 {
			unique = append(unique, o)
		}
	}
	for _, ids := range [][]int32{a, b} {
		for _, id := range ids {
			p.seen[id] = occurrence{}
		}
	}
	return longestRising(unique)
}

// longestRising is the longest subsequence whose atB rises.
func longestRising(all []occurrence) []occurrence {
	var ends []int // of the best subsequence of each length: the one that ends lowest
	before := make([]int, len(all))
	for i, o := range all {
		n, _ := slices.BinarySearchFunc(ends, o.atB, func(end int, at int32) int { return int(all[end].atB - at) })
		before[i] = -1
		if n > 0 {
			before[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	if len(ends) == 0 {
		return nil
	}
	rising := make([]occurrence, len(ends))
	for n, i := len(ends)-1, ends[len(ends)-1]; n >= 0; n, i = n-1, before[i] {
		rising[n] = all[i]
	}
	return rising
}
