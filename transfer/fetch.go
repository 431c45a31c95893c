package transfer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"tutti/fanout"
)

const (
	// maxUnsized is how much is read of a file whose size is said to be 0, such as those
	// of /proc.
	maxUnsized = 64 << 20
	// maxDepth and maxEntries bound a tree: a host can make one up that has no end.
	maxDepth   = 128
	maxEntries = 2_000_000
	// fetchesAtOnce bounds the files of a host that are read at the same time, as each
	// takes memory.
	fetchesAtOnce = 4
)

// A Fetch brings files and trees from hosts. Whatever a host answers, nothing is written
// outside its own directory. It is a fanout.Mover.
type Fetch struct {
	// Sources are paths and patterns of the shell.
	Sources []string
	Open    Opener
	// Root is the directory that gets a directory for each host, and Names are those of
	// the hosts, by their index.
	Root  *os.Root
	Names []string
	// Trees allows directories among the sources.
	Trees bool
	// Force replaces files that are there.
	Force bool
	// Preserve takes permission bits and times from the host.
	Preserve bool
	// Last is how many bytes at the end of a file are read; 0: all.
	Last int64

	done atomic.Int64
}

var _ fanout.Mover = (*Fetch)(nil)

// Moved is how many bytes have come. How many there are is not known.
func (f *Fetch) Moved() (done, total int64) { return f.done.Load(), 0 }

// Move brings everything from a host.
func (f *Fetch) Move(ctx context.Context, a fanout.Attempt, host fanout.Sessions, stdout, stderr io.Writer) (*fanout.Exit, *fanout.Failure) {
	log := &log{stdout: stdout, stderr: stderr}
	return log.end(ctx, f.fetchFrom(ctx, host, f.Names[a.Target.Index], log))
}

func (f *Fetch) fetchFrom(ctx context.Context, host fanout.Sessions, name string, log *log) error {
	r, err := f.Open(ctx, host)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // everything on it has been answered
	if err := f.Root.MkdirAll(name, 0o700); err != nil {
		return &LocalError{err}
	}
	root, err := f.Root.OpenRoot(name)
	if err != nil {
		return &LocalError{err}
	}
	defer func() { _ = root.Close() }() // every file in it is closed
	j := &fetching{Fetch: f, remote: r, log: log, root: root, taken: map[string]bool{}}
	for _, source := range f.Sources {
		paths, err := j.expand(ctx, homeless(source))
		if err != nil {
			return err
		}
		for _, p := range paths {
			if err := j.source(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetching is a Fetch from one host.
type fetching struct {
	*Fetch
	remote  Remote
	log     *log
	root    *os.Root
	entries int
	// taken are the names that are used directly below root, without their case.
	taken map[string]bool
}

// expand returns what a source names. What matches nothing has failed.
func (j *fetching) expand(ctx context.Context, source string) ([]string, error) {
	if !strings.ContainsAny(source, "*?[") {
		return []string{source}, nil
	}
	paths, err := j.remote.Expand(ctx, source)
	if err == nil && len(paths) == 0 {
		err = errors.New("nothing matches")
	}
	if err != nil {
		return nil, j.say(ctx, source, err)
	}
	return paths, nil
}

// say says that path failed for err, unless that ends everything.
func (j *fetching) say(ctx context.Context, path string, err error) error {
	if isFatal(ctx, err) {
		return err
	}
	return j.log.failed(path, err)
}

// source brings one file or tree.
func (j *fetching) source(ctx context.Context, p string) error {
	p = path.Clean(p)
	e, err := j.remote.Look(ctx, p, true)
	if err != nil {
		return j.say(ctx, p, err)
	}
	name := path.Base(p)
	if !isName(name) {
		name = "root" // of the host, or the home directory
	}
	local, as := safeName(name, j.taken)
	got := arriving{path: p, local: local, as: as, entry: e}
	switch {
	case e.Mode.IsDir() && !j.Trees:
		return j.log.failed(p, errors.New("it is a directory"))
	case e.Mode.IsDir():
		return j.tree(ctx, got, 0)
	}
	return j.file(ctx, got)
}

// arriving is a file on its way here.
type arriving struct {
	path  string // on the host
	local string // below root
	as    string // the last element of local, if it is not that of path; else empty
	entry Entry
}

// tree brings a directory and everything in it.
func (j *fetching) tree(ctx context.Context, dir arriving, depth int) error {
	if depth > maxDepth {
		return j.log.failed(dir.path+"/", errors.New("the tree is too deep"))
	}
	entries, err := j.remote.List(ctx, dir.path)
	if err != nil {
		return j.say(ctx, dir.path+"/", err)
	}
	if j.entries += len(entries); j.entries > maxEntries {
		return errorf("%s: the host lists more than %d files", dir.path, maxEntries)
	}
	if err := j.root.Mkdir(dir.local, 0o700); err != nil && !j.isDir(dir.local) {
		return j.log.failed(dir.path+"/", reasonOf(err))
	}
	files, dirs, err := j.sort(dir, entries)
	if err != nil {
		return err
	}
	if err := each(ctx, min(fetchesAtOnce, j.remote.Parallel()), files, j.file); err != nil {
		return err
	}
	for _, d := range dirs {
		if err := j.tree(ctx, d, depth+1); err != nil {
			return err
		}
	}
	if j.Preserve {
		return j.adorn(dir)
	}
	return nil
}

func (j *fetching) isDir(local string) bool {
	info, err := j.root.Lstat(local)
	return err == nil && info.IsDir()
}

// sort names what is in a directory, and fails what has no name.
func (j *fetching) sort(dir arriving, entries []Entry) (files, dirs []arriving, err error) {
	taken := map[string]bool{}
	for _, e := range entries {
		if !isName(e.Name) {
			if err := j.log.failed(dir.path+"/", errorf("the host names a file %q in it", e.Name)); err != nil {
				return nil, nil, err
			}
			continue
		}
		local, as := safeName(e.Name, taken)
		a := arriving{path: path.Join(dir.path, e.Name), local: path.Join(dir.local, local), as: as, entry: e}
		if e.Mode.IsDir() {
			dirs = append(dirs, a)
		} else {
			files = append(files, a)
		}
	}
	return files, dirs, nil
}

// file brings what is no directory. An error ends everything.
func (j *fetching) file(ctx context.Context, a arriving) error {
	said := fanout.File{Path: a.path, As: a.as}
	var err error
	switch {
	case a.entry.Mode&fs.ModeSymlink != 0:
		err = j.link(ctx, a, &said)
	case a.entry.Mode.IsRegular():
		err = j.content(ctx, a, &said)
	default:
		said.State, said.Error = fanout.FileSkipped, "it is "+kindOf(a.entry.Mode)
	}
	if err != nil {
		return j.say(ctx, a.path, err)
	}
	return j.log.say(said)
}
