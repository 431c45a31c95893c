package cmd

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

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/internal/safefile"
)

// liveInterval is the time between two lines of --pprof live.
const liveInterval = 500 * time.Millisecond

// A profiler writes what the program spends to files, for those who work on it:
// --pprof, which help does not show, takes cpu=FILE and heap=FILE for
// go tool pprof, and live=FILE for what is alive as time goes by, one liveMemory
// in JSON per line. That collects garbage each time, which costs time of its own.
// Files that are there are replaced. It is the flag's value, and begins where the
// flag is read, so that parsing is in the profile and the flag counts wherever
// flags may stand.
type profiler struct {
	stops []func() error
}

var _ pflag.Value = (*profiler)(nil)

// addFlag gives cmd and all below it the flag.
func (p *profiler) addFlag(cmd *cobra.Command) {
	const name = "pprof"
	flags := cmd.PersistentFlags()
	flags.Var(p, name, "write profiles: cpu=`FILE`, heap=FILE, live=FILE")
	_ = flags.MarkHidden(name) // it was defined in the line above
}

func (p *profiler) String() string { return "" }

// Type is part of pflag.Value.
func (p *profiler) Type() string { return "profiles" }

// Set begins the profiles that value lists.
func (p *profiler) Set(value string) error {
	kinds := map[string]func(*os.File) (stop func() error, err error){
		"cpu": profileCPU, "heap": profileHeap, "live": watchLive,
	}
	for item := range strings.SplitSeq(value, ",") {
		kind, path, _ := strings.Cut(item, "=")
		begin := kinds[kind]
		if begin == nil || path == "" {
			return fmt.Errorf("%q is not cpu=FILE, heap=FILE or live=FILE", item)
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

// stop ends the profiles and writes them to their end.
func (p *profiler) stop() error {
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
