package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strings"
	"time"

	"tutti/internal/safefile"
)

// liveInterval is the time between two lines of a live profile.
const liveInterval = 500 * time.Millisecond

// A Profiler writes profiles until it is stopped. The zero value writes none.
type Profiler struct {
	stops []func() error
}

// String and Type make it the value of a flag.
func (p *Profiler) String() string { return "" }

// Type is the placeholder of the value.
func (p *Profiler) Type() string { return "profiles" }

// Set starts the profiles that value lists, such as cpu=FILE,live=FILE. Files that
// are there are replaced.
func (p *Profiler) Set(value string) error {
	kinds := map[string]func(*os.File) (stop func() error, err error){
		"cpu": profileCPU, "heap": profileHeap, "live": watchLive,
	}
	for item := range strings.SplitSeq(value, ",") {
		kind, path, _ := strings.Cut(item, "=")
		begin := kinds[kind]
		if begin == nil || path == "" {
			return fmt.Errorf("%q: want cpu=FILE, heap=FILE or live=FILE", item)
		}
		f, err := safefile.Create(path)
		if err != nil {
			return err
		}
		stop, err := begin(f)
		if err != nil {
			return errors.Join(err, f.Close())
		}
		p.stops = append(p.stops, func() error { return errors.Join(stop(), f.Close()) })
	}
	return nil
}

// Stop stops the profiles and writes them to their end.
func (p *Profiler) Stop() error {
	var errs []error
	for _, stop := range p.stops {
		errs = append(errs, stop())
	}
	p.stops = nil
	return errors.Join(errs...)
}

func profileCPU(f *os.File) (func() error, error) {
	return func() error { pprof.StopCPUProfile(); return nil }, pprof.StartCPUProfile(f)
}

// profileHeap samples finely enough for what a single host costs.
func profileHeap(f *os.File) (func() error, error) {
	runtime.MemProfileRate = 4 << 10
	return func() error {
		runtime.GC() // the profile is as of the last collection
		return pprof.Lookup("allocs").WriteTo(f, 0)
	}, nil
}

// liveMemory is what was alive after a collection, in bytes.
type liveMemory struct {
	Heap       uint64 `json:"heap"`
	Stack      uint64 `json:"stack"`
	Goroutines uint64 `json:"goroutines"`
}

func watchLive(f *os.File) (func() error, error) {
	quit, result := make(chan struct{}), make(chan error, 1)
	go func() {
		ticker := time.NewTicker(liveInterval)
		defer ticker.Stop()
		enc := json.NewEncoder(f)
		for {
			select {
			case <-quit:
				result <- nil
				return
			case <-ticker.C:
			}
			if err := enc.Encode(readLive()); err != nil {
				result <- err
				return
			}
		}
	}()
	return func() error { close(quit); return <-result }, nil
}

func readLive() liveMemory {
	runtime.GC()
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/sched/goroutines:goroutines"},
	}
	metrics.Read(samples)
	return liveMemory{samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()}
}
