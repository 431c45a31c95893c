package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tutti/inventory"
	"tutti/scheduler"
)

const (
	// lookEvery is how often the local files are looked at.
	lookEvery = 30 * time.Second
	// maxLooked bounds the files of a directory, and maxLocalFile the bytes of each, that
	// digests are of.
	maxLooked    = 1000
	maxLocalFile = 64 << 20
	// digestLength is how much of a digest is shown.
	digestLength = 16
)

// localFiles are the digests of the files of this machine that runs depend on: daemons on
// other machines may have others. It is for one goroutine.
type localFiles struct {
	looked time.Time
	last   []scheduler.LocalFile
	known  map[string]knownFile
}

// A knownFile is a file as it was read last.
type knownFile struct {
	size   int64
	at     time.Time
	digest string
}

// look returns the files, sorted by name, as they were at most lookEvery ago.
func (l *localFiles) look(ctx context.Context, d *Daemon) []scheduler.LocalFile {
	if !l.looked.IsZero() && time.Since(l.looked) < lookEvery {
		return l.last
	}
	stored, err := d.store.ListJobs(ctx)
	if err != nil {
		return l.last
	}
	l.looked = time.Now()
	paths := l.paths(d, stored)
	l.last = make([]scheduler.LocalFile, 0, len(paths))
	for name, files := range paths {
		l.last = append(l.last, scheduler.LocalFile{Name: name, Digest: l.digestOf(files)})
	}
	slices.SortFunc(l.last, func(a, b scheduler.LocalFile) int { return strings.Compare(a.Name, b.Name) })
	return l.last
}

// paths are the files by what they are for.
func (l *localFiles) paths(d *Daemon, stored []scheduler.StoredJob) map[string][]string {
	env := d.c.Env
	paths := map[string][]string{"known_hosts": env.KnownHosts(env.Getenv("TUTTI_KNOWN_HOSTS"))}
	found, err := inventory.Find(inventory.Places{Env: env.Getenv("TUTTI_INVENTORY"), WorkDir: env.WorkDir, Home: env.Home})
	if err == nil {
		for _, f := range found {
			paths["inventory"] = append(paths["inventory"], f.Path)
		}
	}
	for i := range stored {
		k := &stored[i]
		for _, path := range append(slices.Clone(k.Inventory), append(k.Options["known-hosts"], k.Script)...) {
			if path != "" {
				paths[path] = []string{path}
			}
		}
	}
	return paths
}

// digestOf is a digest of what files have; empty: none of them can be read.
func (l *localFiles) digestOf(paths []string) string {
	all, some := sha256.New(), false
	for _, path := range paths {
		digest := l.digest(path)
		some = some || digest != ""
		_, _ = io.WriteString(all, digest+"\n") // a hash takes everything
	}
	if !some {
		return ""
	}
	return hex.EncodeToString(all.Sum(nil))[:digestLength]
}

// digest is that of a file, or of those below a directory; empty: it cannot be read.
func (l *localFiles) digest(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return ""
	case info.IsDir():
		return l.digestBelow(path)
	case !info.Mode().IsRegular():
		return ""
	}
	if known, ok := l.known[path]; ok && known.size == info.Size() && known.at.Equal(info.ModTime()) {
		return known.digest
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // opened for reading only
	content := sha256.New()
	if _, err := io.Copy(content, io.LimitReader(f, maxLocalFile)); err != nil {
		return ""
	}
	if l.known == nil {
		l.known = map[string]knownFile{}
	}
	k := knownFile{size: info.Size(), at: info.ModTime(), digest: hex.EncodeToString(content.Sum(nil))}
	l.known[path] = k
	return k.digest
}

// digestBelow is of the regular files below a directory, with their names.
func (l *localFiles) digestBelow(dir string) string {
	all, n := sha256.New(), 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if n++; n > maxLooked {
			return filepath.SkipAll
		}
		_, _ = io.WriteString(all, strings.TrimPrefix(path, dir)+"\n"+l.digest(path)+"\n") // as above
		return nil
	})
	if err != nil {
		return ""
	}
	return hex.EncodeToString(all.Sum(nil))
}
