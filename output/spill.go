package output

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

const (
	// spillBlock is the unit of the temporary file, and the most that one
	// buffer keeps in memory.
	spillBlock = 64 << 10
	// spillLimit is what all buffers of a pool together keep in memory.
	spillLimit = 32 << 20
	// spillMin is the first allocation of a buffer.
	spillMin = 256
)

// A pool bounds the memory of the buffers that are made from it, and gives
// them a temporary file for the rest. The file has no name, so that nothing is
// left behind however the process ends, and is readable only by its owner.
//
// The sink writes to buffers, and the goroutine of a Writer reads and frees
// them; a buffer belongs to one of them at a time.
type pool struct {
	limit int64 // bytes in memory

	mu     sync.Mutex // guards what follows
	used   int64      // bytes in memory
	file   *os.File   // nil until it is needed
	spare  []int64    // blocks of file that are free again
	blocks int64      // blocks that file has ever had
	live   int        // blocks in use
	closed bool
}

func newPool(limit int64) *pool { return &pool{limit: limit} }

// reserve takes n bytes of memory, if there are as many.
func (p *pool) reserve(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used+int64(n) > p.limit {
		return false
	}
	p.used += int64(n)
	return true
}

// block returns a free block of the file.
func (p *pool) block() (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		f, err := unnamedFile()
		if err != nil {
			return 0, err
		}
		p.file = f
	}
	p.live++
	if n := len(p.spare); n > 0 {
		b := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return b, nil
	}
	p.blocks++
	return p.blocks - 1, nil
}

// release returns memory and blocks to the pool.
func (p *pool) release(memory int, blocks []int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used -= int64(memory)
	p.live -= len(blocks)
	p.spare = append(p.spare, blocks...)
	_ = p.closeIdle() // nothing that was read from the file is in doubt
}

// Close closes the file as soon as the last block is free.
func (p *pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return p.closeIdle()
}

// closeIdle closes the file if it will not be used again; p.mu is held.
func (p *pool) closeIdle() error {
	if !p.closed || p.live > 0 || p.file == nil {
		return nil
	}
	f := p.file
	p.file, p.spare, p.blocks = nil, nil, 0
	return f.Close()
}

// unnamedFile creates a temporary file and removes its name. Unless TMPDIR is set it
// prefers /var/tmp, since /tmp is often memory.
func unnamedFile() (*os.File, error) {
	dir := os.Getenv("TMPDIR")
	if dir == "" {
		if f, err := unnamedFileIn("/var/tmp"); err == nil {
			return f, nil
		}
	}
	return unnamedFileIn(dir)
}

func unnamedFileIn(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "tutti-output-")
	if err != nil {
		return nil, fmt.Errorf("buffer output on disk: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close() // the error that counts is the other one
		return nil, fmt.Errorf("buffer output on disk: %w", err)
	}
	return f, nil
}

// A buffer is a sequence of bytes of any length, partly in memory.
type buffer struct {
	pool   *pool
	size   int64
	last   byte // meaningless if size is 0
	blocks []int64
	fill   int    // bytes in the last block; all others are full
	mem    []byte // what follows the blocks
}

func (p *pool) buffer() *buffer { return &buffer{pool: p} }

// write appends data.
func (b *buffer) write(data []byte) error {
	for len(data) > 0 {
		if len(b.mem) == spillBlock {
			if err := b.writeFile(b.mem); err != nil {
				return err
			}
			b.mem = b.mem[:0] // what is long is likely to become longer
		}
		part := data[:min(len(data), spillBlock-len(b.mem))]
		if b.grow(len(part)) {
			b.mem = append(b.mem, part...)
		} else if err := b.spill(part); err != nil {
			return err
		}
		data = data[len(part):]
		b.size += int64(len(part))
		b.last = part[len(part)-1]
	}
	return nil
}

// grow makes room for n more bytes in memory, if there is any left in the pool.
// With them it is not more than a block.
func (b *buffer) grow(n int) bool {
	need := len(b.mem) + n
	if need <= cap(b.mem) {
		return true
	}
	size := max(spillMin, cap(b.mem))
	for size < need {
		size *= 2
	}
	if !b.pool.reserve(size - cap(b.mem)) {
		return false
	}
	mem := make([]byte, len(b.mem), size)
	copy(mem, b.mem)
	b.mem = mem
	return true
}

// spill moves what is in memory to the file, and data after it, and gives the
// memory back.
func (b *buffer) spill(data []byte) error {
	if err := b.writeFile(b.mem); err != nil {
		return err
	}
	b.pool.release(cap(b.mem), nil)
	b.mem = nil
	return b.writeFile(data)
}

func (b *buffer) writeFile(data []byte) error {
	for len(data) > 0 {
		if len(b.blocks) == 0 || b.fill == spillBlock {
			n, err := b.pool.block()
			if err != nil {
				return err
			}
			b.blocks = append(b.blocks, n)
			b.fill = 0
		}
		n := min(len(data), spillBlock-b.fill)
		at := b.blocks[len(b.blocks)-1]*spillBlock + int64(b.fill)
		if _, err := b.pool.file.WriteAt(data[:n], at); err != nil {
			return fmt.Errorf("buffer output on disk: %w", err)
		}
		b.fill += n
		data = data[n:]
	}
	return nil
}

// copyTo writes everything to w. It may be called again.
func (b *buffer) copyTo(w io.Writer) error {
	if b == nil {
		return nil
	}
	var block []byte
	for i, n := range b.blocks {
		if block == nil {
			block = make([]byte, spillBlock)
		}
		size := spillBlock
		if i == len(b.blocks)-1 {
			size = b.fill
		}
		if _, err := b.pool.file.ReadAt(block[:size], n*spillBlock); err != nil {
			return fmt.Errorf("read back output from a temporary file: %w", err)
		}
		if _, err := w.Write(block[:size]); err != nil {
			return err
		}
	}
	_, err := w.Write(b.mem)
	return err
}

// content is everything in one piece.
func (b *buffer) content() (string, error) {
	var text strings.Builder
	text.Grow(int(b.length()))
	err := b.copyTo(&text)
	return text.String(), err
}

// length is how many bytes there are. A nil buffer is empty.
func (b *buffer) length() int64 {
	if b == nil {
		return 0
	}
	return b.size
}

// free releases what b uses. A nil buffer is empty.
func (b *buffer) free() {
	if b == nil {
		return
	}
	b.pool.release(cap(b.mem), b.blocks)
	b.mem, b.blocks = nil, nil
}
