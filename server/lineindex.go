package server

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"tutti/store"
)

const (
	// indexedFrom is from which line on lines are looked up in an index: before it the
	// search is as fast.
	indexedFrom = 10_000
	// indexStep is how many lines lie between two that an index has.
	indexStep = 1000
	// mostIndexes bounds how many are kept, each of half a megabyte at most.
	mostIndexes = 16
)

// A lineIndex is where the lines of the output of an attempt begin that has ended.
type lineIndex struct {
	once sync.Once
	err  error
	// starts are the offsets of the lines 1, 1001, …; lines is how many there are.
	starts []int64
	lines  int64
}

// lineIndexes are those that were needed last. The zero value has none. What is indexed
// does not change any more.
type lineIndexes struct {
	mu  sync.Mutex // guards all and age
	all map[string]*lineIndex
	age []string // the oldest first
}

// of is the index of what q selects, of an attempt that has ended and that q names.
func (x *lineIndexes) of(ctx context.Context, runs Runs, q store.OutputQuery) (*lineIndex, error) {
	key := fmt.Sprint(q.Run, " ", q.Attempt, " ", q.Streams, " ", q.Host)
	index := x.at(key)
	index.once.Do(func() { index.err = index.read(ctx, runs, q) })
	if index.err != nil { // of the request that read it, perhaps
		x.forget(key, index)
		return nil, index.err
	}
	return index, nil
}

// at is the index of a key, which may have to be read.
func (x *lineIndexes) at(key string) *lineIndex {
	x.mu.Lock()
	defer x.mu.Unlock()
	if index := x.all[key]; index != nil {
		return index
	}
	if x.all == nil {
		x.all = map[string]*lineIndex{}
	}
	if len(x.age) == mostIndexes {
		delete(x.all, x.age[0])
		x.age = x.age[1:]
	}
	index := &lineIndex{}
	x.all[key], x.age = index, append(x.age, key)
	return index
}

// forget removes an index that could not be read.
func (x *lineIndexes) forget(key string, index *lineIndex) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all[key] != index {
		return
	}
	delete(x.all, key)
	for i, one := range x.age {
		if one == key {
			x.age = append(x.age[:i:i], x.age[i+1:]...)
			return
		}
	}
}

// read reads the output once.
func (l *lineIndex) read(ctx context.Context, runs Runs, q store.OutputQuery) error {
	open := false // a line goes on
	for q.Offset, q.Line, q.Lines, q.Tail, q.Bytes = 0, 0, 0, 0, store.MaxOutput; ; {
		part, err := runs.OutputRange(ctx, q)
		if err != nil {
			return err
		}
		at := part.Offset
		for i := range part.Parts {
			p := &part.Parts[i]
			open = l.count(p.Data, at, open)
			at += int64(len(p.Data)) + p.Omitted
		}
		if q.Offset = part.Next; !part.More {
			return nil
		}
	}
}

// count counts the lines of data, which is at an offset. open: it goes on with a line.
func (l *lineIndex) count(data []byte, at int64, open bool) (stillOpen bool) {
	for from := 0; from < len(data); {
		if !open {
			if l.lines%indexStep == 0 {
				l.starts = append(l.starts, at+int64(from))
			}
			l.lines++
		}
		n := bytes.IndexByte(data[from:], '\n')
		if open = n < 0; open {
			return true
		}
		from += n + 1
	}
	return open
}

// known is the last line of the index before that one, and its offset. That one itself may
// begin with bytes that are missing, which are not in the index.
func (l *lineIndex) known(line int64) store.KnownLine {
	if len(l.starts) == 0 {
		return store.KnownLine{}
	}
	k := min(max(0, line-2)/indexStep, int64(len(l.starts))-1)
	return store.KnownLine{Line: k*indexStep + 1, Offset: l.starts[k]}
}
