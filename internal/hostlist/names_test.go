package hostlist

import "testing"

func TestCompareNatural(t *testing.T) {
	order := []string{"a", "a1", "a01", "a2", "a10", "a10b", "ab", "b"}
	for i, a := range order {
		for j, b := range order {
			if got := compareNatural(a, b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("compareNatural(%s, %s): got %d", a, b, got)
			}
		}
	}
}
