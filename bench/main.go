package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// roles are what the program does in processes of its own, started with the
// role's name as the first word.
var roles = map[string]func(args []string, stdin io.Reader, stdout io.Writer) error{
	"fleet":     fleetRole,
	"bare":      bareRole,
	"history":   historyRole,
	"followers": followersRole,
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	do := func() error { return compare(args, stdout, stderr) }
	if len(args) > 0 && roles[args[0]] != nil {
		do = func() error { return roles[args[0]](args[1:], stdin, stdout) }
	}
	err := do()
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "bench:", err) // there is no one else to tell
		return 1
	}
	return 0
}

// errUsage is a command line that the flag package has complained about.
var errUsage = errors.New("wrong use")

// options are the flags.
type options struct {
	repeat  int
	size    int // of a usual run; 0: as usual
	quick   bool
	force   bool
	install bool
	peers   string
	only    string
	out     string
}

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.repeat, "repeat", 5, "take the median of `N` runs")
	f.IntVar(&o.size, "hosts", 0, "`N` hosts instead of 1,000, and ten times as many instead of 10,000; the bars are not made for that")
	f.BoolVar(&o.quick, "quick", false, "tiny sizes: whether the harness works, not how fast tutti is")
	f.BoolVar(&o.force, "force", false, "compare on a busy machine too")
	f.BoolVar(&o.install, "install", false, "install the peers that are missing, by apt")
	f.StringVar(&o.peers, "peers", "all", "compare with these `PEERS`, separated by commas; none: with the bare client alone")
	f.StringVar(&o.only, "only", "", "only these `LINES`, such as 3,5.1")
	f.StringVar(&o.out, "out", "", "write RESULTS.md and its charts to `FOLDER`")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, errUsage
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected word %q", f.Arg(0))
	case o.repeat < 1:
		return o, fmt.Errorf("-repeat %d: must be at least 1", o.repeat)
	case o.size != 0 && (o.size < 2 || o.size > 10_000 || o.quick):
		return o, fmt.Errorf("-hosts %d: must be from 2 to 10000, without -quick", o.size)
	}
	if o.out == "" && !o.quick && !o.force && o.size == 0 && o.only == "" {
		o.out = "bench"
	}
	return o, nil
}

// compare is the program as a person calls it.
func compare(args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("on %s the hosts of the fleet have no addresses of their own, which the peers need: run it on Linux", runtime.GOOS)
	}
	sections, err := chosen(o.only)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	before := lookAround(ctx)
	if busy := before.loaded(); busy != nil && !o.force {
		return fmt.Errorf("%w: nothing can be compared here now; -force does it anyway", busy)
	}
	l, err := newLab(ctx, o, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()

	r := &report{options: o, sizes: l.sizes, peers: l.peers, before: before}
	if r.lines, err = l.measureAll(ctx, sections, stdout); err != nil {
		return err
	}
	r.cold, r.table = l.cold.done.value, l.scale.done.value
	r.after = lookAround(ctx)
	if busy := r.after.busy(); busy != nil && !o.force {
		return fmt.Errorf("%w meanwhile: the numbers above mean nothing; -force publishes them anyway", busy)
	}
	if o.out != "" {
		if err := r.write(o.out); err != nil {
			return err
		}
	}
	return r.verdict()
}

// measureAll prints the lines as they are known.
func (l *lab) measureAll(ctx context.Context, sections []section, stdout io.Writer) ([]line, error) {
	var out []line
	for _, s := range sections {
		for _, line := range l.section(ctx, s, l.only) {
			out = append(out, line)
			_, _ = fmt.Fprintln(stdout, line) // a stdout that is gone ends nothing
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return out, nil
}

// chosen are the sections that have one of the lines in only, which is a list;
// all if it is empty.
func chosen(only string) ([]section, error) {
	if only == "" {
		return sections, nil
	}
	var out []section
	for _, s := range sections {
		if slices.ContainsFunc(strings.Split(only, ","), func(id string) bool {
			number, _, _ := strings.Cut(id, ".")
			return number == s.id
		}) {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("-only %s: the lines are numbered from %s to %s", only, sections[0].id, sections[len(sections)-1].id)
	}
	return out, nil
}

// wanted reports whether only asks for the line id, or for its whole section.
func wanted(id, only string) bool {
	return only == "" || slices.ContainsFunc(strings.Split(only, ","), func(item string) bool {
		return id == item || strings.HasPrefix(id, item+".")
	})
}

// programModule begins the go.mod of the program that is measured; bench has a
// module of its own below it.
const programModule = "module tutti\n"

// moduleRoot is the directory of the program's go.mod, at or above the working
// directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(text), programModule) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod of tutti here or above: run it in the tree of tutti")
		}
		dir = parent
	}
}
