package transfer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"tutti/fanout"
)

// An Opener opens the file system of a host, over the connection of an attempt.
type Opener func(ctx context.Context, host fanout.Sessions) (Remote, error)

// A Copy sends files and trees to hosts. It is a fanout.Mover.
type Copy struct {
	Sources []*Source
	// Dest is where they go; see ExpandDest.
	Dest string
	Open Opener
	// Perm are the permission bits of files; nil: those of the file that is replaced, or
	// else of the source, without what group and others could write.
	Perm *fs.FileMode
	// Preserve takes permission bits and times from the source.
	Preserve bool
	// Owner is that of Attributes.
	Owner string
	// Backup keeps a file that is replaced, under its name with a ~.
	Backup bool
	// Look only looks what would be done.
	Look bool
	// Hosts is how many there are.
	Hosts int

	done atomic.Int64
}

var _ fanout.Mover = (*Copy)(nil)

// Moved is how many bytes of all hosts have been dealt with.
func (c *Copy) Moved() (done, total int64) {
	for _, s := range c.Sources {
		total += s.Size
	}
	total *= int64(c.Hosts)
	return min(c.done.Load(), total), total
}

// Move copies everything to a host.
func (c *Copy) Move(ctx context.Context, a fanout.Attempt, host fanout.Sessions, stdout, stderr io.Writer) (*fanout.Exit, *fanout.Failure) {
	log := &log{stdout: stdout, stderr: stderr}
	dest, err := ExpandDest(c.Dest, &a.Target)
	if err == nil {
		err = c.copyTo(ctx, host, homeless(dest), log)
	}
	return log.end(ctx, err)
}

func (c *Copy) copyTo(ctx context.Context, host fanout.Sessions, dest string, log *log) error {
	r, err := c.Open(ctx, host)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // everything on it has been answered
	j := &copying{Copy: c, remote: r, log: log}
	jobs, err := j.place(ctx, dest)
	if err != nil {
		return err
	}
	for i := range jobs {
		if err := j.dir(ctx, &jobs[i]); err != nil {
			return err
		}
	}
	return j.finishDirs(ctx, jobs)
}

// copying is a Copy to one host.
type copying struct {
	*Copy
	remote Remote
	log    *log
	// lost are directories that could not be made; what belongs into them fails.
	lost []string
}

// A dirJob is what goes into one directory of a host.
type dirJob struct {
	path string
	// source is the directory that is copied there; nil: it only gets files.
	source *Dir
	// parents says that the missing directories above it are made as well.
	parents bool
	items   []placed
	made    bool
}

// placed is an item and the name that it gets.
type placed struct {
	*Item
	name string
}

// place decides where everything goes.
func (j *copying) place(ctx context.Context, dest string) ([]dirJob, error) {
	entry, err := j.remote.Look(ctx, path.Clean(dest), true)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if strings.HasSuffix(dest, "/") {
			return j.into(dest, true), nil
		}
		if len(j.Sources) > 1 {
			return nil, errorf("%s: no such directory, and several files cannot become one; %s/ makes it", dest, dest)
		}
		return j.become(dest), nil
	case err != nil:
		return nil, wrap(dest, err)
	case entry.Mode.IsDir():
		return j.into(dest, false), nil
	case strings.HasSuffix(dest, "/") || len(j.Sources) > 1 || j.Sources[0].Tree:
		return nil, errorf("%s: it is %s, not a directory", dest, kindOf(entry.Mode))
	}
	return j.become(dest), nil
}

// into places every source in the directory dest.
func (j *copying) into(dest string, parents bool) []dirJob {
	dest = strings.TrimRight(dest, "/") + "/"
	files := dirJob{path: path.Clean(dest), parents: parents}
	var trees []dirJob
	for _, s := range j.Sources {
		if s.Tree {
			trees = append(trees, treeJobs(s, dest+s.Base)...)
			continue
		}
		files.items = append(files.items, placed{s.Dirs[0].Items[0], s.Base})
	}
	return append([]dirJob{files}, trees...)
}

// become makes the only source what is at dest.
func (j *copying) become(dest string) []dirJob {
	s := j.Sources[0]
	if s.Tree {
		return treeJobs(s, dest)
	}
	dir, name := path.Split(dest)
	return []dirJob{{path: path.Clean(dir), items: []placed{{s.Dirs[0].Items[0], name}}}}
}

func treeJobs(s *Source, root string) []dirJob {
	jobs := make([]dirJob, len(s.Dirs))
	for i, d := range s.Dirs {
		jobs[i] = dirJob{path: path.Join(root, d.Rel), source: d}
		for _, it := range d.Items {
			jobs[i].items = append(jobs[i].items, placed{it, it.Name})
		}
	}
	return jobs
}

// dir copies what goes into one directory.
func (j *copying) dir(ctx context.Context, d *dirJob) error {
	for _, lost := range j.lost {
		if strings.HasPrefix(d.path, lost+"/") {
			return j.lose(d, errors.New("the directory above it could not be made"))
		}
	}
	absent, err := j.ensure(ctx, d)
	if err != nil {
		if isFatal(ctx, err) {
			return err
		}
		if err := j.log.failed(d.path+"/", err); err != nil {
			return err
		}
		return j.lose(d, errors.New("its directory could not be made"))
	}
	var there map[string]Entry
	if !absent {
		if there, err = j.list(ctx, d); err != nil {
			return err
		}
	}
	same, err := j.compare(ctx, d, there)
	if err != nil {
		return err
	}
	return each(ctx, j.remote.Parallel(), d.items, func(ctx context.Context, it placed) error {
		old, has := there[it.name]
		f := j.plan(d, it, old, has)
		f.same = same[it.name]
		return j.send(ctx, f)
	})
}

// lose fails everything that goes into d, which cannot be made.
func (j *copying) lose(d *dirJob, why error) error {
	j.lost = append(j.lost, d.path)
	for _, it := range d.items {
		if err := j.log.failed(path.Join(d.path, it.name), why); err != nil {
			return err
		}
	}
	return nil
}

// ensure makes the directory, if it is to be made. absent says that it is not there.
func (j *copying) ensure(ctx context.Context, d *dirJob) (absent bool, err error) {
	if d.source == nil && !d.parents {
		return false, nil
	}
	entry, err := j.remote.Look(ctx, d.path, true)
	switch {
	case err == nil && !entry.Mode.IsDir():
		return false, errors.New("it is " + kindOf(entry.Mode) + ", not a directory")
	case err == nil:
		return false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	if j.Look {
		return true, j.log.say(fanout.File{State: fanout.FileWouldSend, Path: d.path + "/"})
	}
	perm := fs.FileMode(0o755)
	if d.source != nil {
		perm = d.source.Perm
	}
	if d.parents {
		if err := j.makeParents(ctx, path.Dir(d.path)); err != nil {
			return false, err
		}
	}
	if err := j.remote.MakeDir(ctx, d.path, perm|0o700); err != nil {
		return false, err
	}
	d.made = true
	return false, j.log.say(fanout.File{State: fanout.FileSent, Path: d.path + "/"})
}

func (j *copying) makeParents(ctx context.Context, dir string) error {
	_, err := j.remote.Look(ctx, dir, true)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if up := path.Dir(dir); up != dir {
		if err := j.makeParents(ctx, up); err != nil {
			return err
		}
	}
	return j.remote.MakeDir(ctx, dir, 0o755)
}

// list returns what is in the directory, and removes what earlier copies have left
// there of the files that go into it. A directory that cannot be read may still be
// written to.
func (j *copying) list(ctx context.Context, d *dirJob) (map[string]Entry, error) {
	there := map[string]Entry{}
	names := make(map[string]bool, len(d.items))
	for _, it := range d.items {
		names[it.name] = true
	}
	entries, err := j.remote.List(ctx, d.path)
	if err != nil {
		if isFatal(ctx, err) {
			return nil, err
		}
		return there, j.lookEach(ctx, d, there)
	}
	var left []string
	for _, e := range entries {
		if names[e.Name] {
			there[e.Name] = e
		}
		if i := strings.LastIndex(e.Name, tempMark); i > 0 && e.Name[0] == '.' {
			for _, it := range d.items {
				if isTempOf(e.Name, it.name) {
					left = append(left, path.Join(d.path, e.Name))
					break
				}
			}
		}
	}
	if len(left) > 0 && !j.Look {
		if err := j.remote.Remove(ctx, left); isFatal(ctx, err) {
			return nil, err
		}
	}
	return there, nil
}

// lookEach looks at each file of d on its own.
func (j *copying) lookEach(ctx context.Context, d *dirJob, there map[string]Entry) error {
	for _, it := range d.items {
		e, err := j.remote.Look(ctx, path.Join(d.path, it.name), false)
		switch {
		case err == nil:
			there[it.name] = e
		case isFatal(ctx, err):
			return err
		}
	}
	return nil
}

// compare returns the items whose content is the same as that of the file there.
func (j *copying) compare(ctx context.Context, d *dirJob, there map[string]Entry) (map[string]bool, error) {
	var paths []string
	var alike []placed
	for _, it := range d.items {
		old, has := there[it.name]
		if has && it.Link == "" && old.Mode.IsRegular() && old.Size == it.Size {
			paths = append(paths, path.Join(d.path, it.name))
			alike = append(alike, it)
		}
	}
	if len(paths) == 0 {
		return nil, nil
	}
	sums, err := j.remote.Sums(ctx, paths)
	if isFatal(ctx, err) {
		return nil, err
	}
	same := map[string]bool{}
	for i, it := range alike {
		remote, known := sums[paths[i]]
		if !known {
			continue
		}
		local, err := it.Sum(ctx)
		if err != nil {
			continue // it is said of the file when that is sent
		}
		same[it.name] = local == remote
	}
	return same, nil
}

// finishDirs gives the directories that were copied what their sources have, from the
// inside out, as making files changes their times.
func (j *copying) finishDirs(ctx context.Context, jobs []dirJob) error {
	if j.Look {
		return nil
	}
	for i := len(jobs) - 1; i >= 0; i-- {
		d := &jobs[i]
		if d.source == nil || !d.made && !j.Preserve {
			continue
		}
		a := Attributes{Owner: j.Owner}
		if j.Preserve || d.source.Perm|0o700 != d.source.Perm {
			a.Perm = &d.source.Perm
		}
		if j.Preserve {
			a.Time = d.source.Time
		}
		if a == (Attributes{}) {
			continue
		}
		if err := j.remote.Adorn(ctx, d.path, a); err != nil {
			if isFatal(ctx, err) {
				return err
			}
			if err := j.log.failed(d.path+"/", err); err != nil {
				return err
			}
		}
	}
	return nil
}

// timeOf is the time that a file gets; zero: none in particular.
func (j *copying) timeOf(it *Item) time.Time {
	if j.Preserve {
		return it.Time
	}
	return time.Time{}
}
