package tail

import (
	"fmt"
	"testing"
)

// TestTail: however it comes, the end of it is kept.
func TestTail(t *testing.T) {
	const text = "the quick brown fox jumps over the lazy dog"
	for size := range len(text) + 3 {
		for piece := 1; piece <= len(text); piece++ {
			b := Buffer{Size: size}
			for at := 0; at < len(text); at += piece {
				p := text[at:min(at+piece, len(text))]
				if n, err := b.Write([]byte(p)); n != len(p) || err != nil {
					t.Fatalf("got %d, %v, want %d", n, err, len(p))
				}
			}
			want := text[max(0, len(text)-size):]
			if got := string(b.Bytes()); got != want || b.Cut() != (size < len(text)) {
				t.Fatalf("the last %d in pieces of %d: got %q, cut %v, want %q", size, piece, got, b.Cut(), want)
			}
		}
	}
}

func ExampleBuffer() {
	b := Buffer{Size: 3}
	_, _ = b.Write([]byte("abcdef"))
	fmt.Printf("%s\n", b.Bytes())
	// Output: def
}
