package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// spinTime is how long the calibration keeps each processor at work.
	spinTime = 400 * time.Millisecond
	// maxStretch is how much longer than its time on the processor a spin may
	// take on a machine that has nothing else to do.
	maxStretch = 1.08
	// maxLoad is the load average per processor above which other work is evident without a spin.
	maxLoad = 0.75
)

// surroundings are the other work of the machine.
type surroundings struct {
	load    float64 // average of the last minute, per processor
	stretch float64 // wall over processor time of the worst spin
	speed   float64 // spins per second of processor time: how fast the processor is just now
}

// lookAround measures them.
func lookAround(ctx context.Context) surroundings {
	s := surroundings{load: loadAverage() / float64(runtime.NumCPU()), stretch: 1}
	var mu sync.Mutex // guards s
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			rounds, wall, cpu := spin(ctx)
			mu.Lock()
			defer mu.Unlock()
			s.stretch = max(s.stretch, wall.Seconds()/cpu.Seconds())
			s.speed += float64(rounds) / cpu.Seconds() / float64(runtime.NumCPU())
		})
	}
	wg.Wait()
	return s
}

// spin works on one thread for spinTime of that thread's own time, or until ctx
// is done, and returns how much it did and how long that took.
func spin(ctx context.Context) (rounds int, wall, cpu time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began, start := time.Now(), threadTime()
	var block [sha256.Size]byte
	for cpu < spinTime && ctx.Err() == nil {
		for range 2000 {
			block = sha256.Sum256(block[:])
		}
		rounds++
		cpu = threadTime() - start
	}
	return rounds, time.Since(began), max(cpu, 1)
}

func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err) // every Linux has this clock
	}
	return time.Duration(t.Nano())
}

// loadAverage is 0 where it is not known.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}

// busy says why nothing can be compared; nil: it can. The load after the lines is
// bench's own, and says nothing.
func (s surroundings) busy() error {
	if s.stretch > maxStretch {
		return fmt.Errorf("the machine is busy: work took %.2f times as long as its time on the processor", s.stretch)
	}
	return nil
}

// loaded is busy for a time at which bench itself was idle.
func (s surroundings) loaded() error {
	if s.load > maxLoad {
		return fmt.Errorf("the machine is busy: its load is %.2f for each processor", s.load)
	}
	return s.busy()
}

func (s surroundings) String() string {
	return fmt.Sprintf("load %.2f per processor, a spin stretched to %.2f, %.0f rounds/s", s.load, s.stretch, s.speed)
}
