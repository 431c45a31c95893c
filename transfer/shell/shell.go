package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"tutti/fanout"
	"tutti/transfer"
)

// A Remote is the file system of a host.
type Remote struct{ agent *agent }

var _ transfer.Remote = (*Remote)(nil)

// Open starts a shell, with sudo as another user; nil: as the one logged in.
func Open(ctx context.Context, host fanout.Sessions, sudo *fanout.Sudo) (*Remote, error) {
	a, err := start(ctx, host, sudo)
	if err != nil {
		return nil, err
	}
	return &Remote{a}, nil
}

// Parallel is one: the shell answers one question after the other.
func (r *Remote) Parallel() int { return 1 }

// Close ends the shell.
func (r *Remote) Close() error { return r.agent.close() }

// do asks for what is answered by a few words at most; an exit status that is not 0 is
// an error with these words.
func (r *Remote) do(ctx context.Context, content io.Reader, function string, args ...string) ([]byte, error) {
	var answer bounded
	code, err := r.agent.ask(ctx, request(function, args...), content, &answer)
	switch {
	case err != nil:
		return nil, err
	case answer.tooLong:
		return nil, fmt.Errorf("the answer is longer than %d MiB", maxAnswer>>20)
	case code != 0:
		return nil, said(answer.text.String(), code)
	}
	return answer.text.Bytes(), nil
}

// bounded keeps an answer.
type bounded struct {
	text    bytes.Buffer
	tooLong bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > maxAnswer {
		b.tooLong = true
		return len(p), nil
	}
	return b.text.Write(p)
}

// said is the error that the words of a program mean.
func said(text string, code int) error {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	text = lines[len(lines)-1]
	switch {
	case strings.Contains(text, "No such file"), strings.Contains(text, "nonexistent"):
		return fs.ErrNotExist
	case strings.Contains(text, "ermission denied"):
		return fs.ErrPermission
	case strings.Contains(text, "No space left"):
		return errors.New("no space left there")
	case strings.Contains(text, "ead-only file system"):
		return errors.New("the file system there is read-only")
	case text == "":
		return fmt.Errorf("the host could not do it (exit status %d)", code)
	}
	return errors.New(text)
}

// Look describes what is at path.
func (r *Remote) Look(ctx context.Context, path string, follow bool) (transfer.Entry, error) {
	args := []string{dashed(path)}
	if follow {
		args = append(args, "-L")
	}
	answer, err := r.do(ctx, nil, "look", args...)
	if err != nil {
		return transfer.Entry{}, err
	}
	entries := parseEntries(answer)
	if len(entries) != 1 {
		return transfer.Entry{}, errors.New("the host describes it in an unknown way")
	}
	return entries[0], nil
}

// List describes what is in dir.
func (r *Remote) List(ctx context.Context, dir string) ([]transfer.Entry, error) {
	answer, err := r.do(ctx, nil, "listed", dashed(dir))
	if err != nil {
		return nil, err
	}
	return parseEntries(answer), nil
}

// sumsAtOnce is how many files a program is given at once: arguments are limited.
const sumsAtOnce = 200

// Sums are the SHA-256 sums of files, where the host has a program for it; else the files
// are read.
func (r *Remote) Sums(ctx context.Context, files []string) (map[string]string, error) {
	sums := make(map[string]string, len(files))
	for len(files) > 0 {
		n := min(len(files), sumsAtOnce)
		if err := r.sums(ctx, files[:n], sums); err != nil {
			return nil, err
		}
		files = files[n:]
	}
	return sums, nil
}

func (r *Remote) sums(ctx context.Context, files []string, sums map[string]string) error {
	args := make([]string, len(files))
	for i, f := range files {
		args[i] = dashed(f)
	}
	var answer bounded
	code, err := r.agent.ask(ctx, request("sums", args...), nil, &answer)
	if err != nil {
		return err
	}
	if code != 127 {
		byName := parseSums(answer.text.String())
		for i, f := range files {
			if sum, ok := byName[args[i]]; ok {
				sums[f] = sum
			}
		}
		return nil
	}
	for _, f := range files {
		sum, err := transfer.SumOf(func(w io.Writer) error { return r.Get(ctx, f, transfer.Part{}, w) })
		if err == nil {
			sums[f] = sum
		} else if errors.As(err, new(*transfer.BrokenError)) || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

var sumLine = regexp.MustCompile(`^(\\?)([0-9a-f]{64}) [ *](.*)$`)

// parseSums reads what sha256sum prints. A name with a line break stands on one line
// only if that escapes it.
func parseSums(text string) map[string]string {
	sums := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		m := sumLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := m[3]
		if m[1] != "" {
			name = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\\`, `\`).Replace(name)
		}
		sums[name] = m[2]
	}
	return sums
}

// Put writes a file.
func (r *Remote) Put(ctx context.Context, u transfer.Upload) error {
	content, err := u.Open()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // it was only read
	keep := ""
	if k := u.Keep; k != nil && k.UID >= 0 {
		keep = fmt.Sprintf("%d:%d", k.UID, k.GID)
	}
	mode, stamp := attributes(u.Attributes)
	backup := u.Backup
	if backup != "" {
		backup = dashed(backup)
	}
	_, err = r.do(ctx, content, "put", dashed(u.Path), dashed(u.Temp), strconv.FormatInt(u.Size, 10), mode, stamp, u.Owner, keep, backup)
	return err
}

// attributes are permission bits and time as chmod and touch read them.
func attributes(a transfer.Attributes) (mode, stamp string) {
	if a.Perm != nil {
		mode = fmt.Sprintf("%04o", a.Perm.Perm())
	}
	if !a.Time.IsZero() {
		stamp = a.Time.UTC().Format("200601021504.05")
	}
	return mode, stamp
}

// Link makes a symbolic link.
func (r *Remote) Link(ctx context.Context, path, temp, text string) error {
	_, err := r.do(ctx, nil, "link", dashed(path), dashed(temp), text)
	return err
}

// Target is where a link leads.
func (r *Remote) Target(ctx context.Context, path string) (string, error) {
	answer, err := r.do(ctx, nil, "readlink", "--", path)
	return strings.TrimSuffix(string(answer), "\n"), err
}

// MakeDir makes a directory.
func (r *Remote) MakeDir(ctx context.Context, path string, perm fs.FileMode) error {
	_, err := r.do(ctx, nil, "mkdir", "-m", fmt.Sprintf("%04o", perm.Perm()), "--", path)
	return err
}

// Adorn sets attributes.
func (r *Remote) Adorn(ctx context.Context, path string, a transfer.Attributes) error {
	mode, stamp := attributes(a)
	_, err := r.do(ctx, nil, "adorn", dashed(path), mode, stamp, a.Owner)
	return err
}

// Remove removes files.
func (r *Remote) Remove(ctx context.Context, files []string) error {
	_, err := r.do(ctx, nil, "rm", append([]string{"-f", "--"}, files...)...)
	return err
}

// Get writes the part of a file to w.
func (r *Remote) Get(ctx context.Context, path string, part transfer.Part, w io.Writer) error {
	to := &content{w: w}
	code, err := r.agent.ask(ctx, request("get", dashed(path), strconv.FormatInt(part.Last, 10), strconv.FormatInt(part.Most, 10)), nil, to)
	switch {
	case err != nil:
		return err
	case to.err != nil:
		return to.err
	case code == 2:
		return errors.New("the host could not read it to its end")
	case code != 0:
		return said(string(to.head), code)
	}
	return nil
}

// content passes a file on. It reads on after an error of w, so that what follows is
// understood, and keeps the beginning, which may be a message.
type content struct {
	w    io.Writer
	err  error
	head []byte
}

func (c *content) Write(p []byte) (int, error) {
	c.head = append(c.head, p[:min(len(p), maxWords-len(c.head))]...)
	if c.err == nil {
		_, c.err = c.w.Write(p)
	}
	return len(p), nil
}

// Expand expands a pattern.
func (r *Remote) Expand(ctx context.Context, pattern string) ([]string, error) {
	text := fmt.Sprintf(`for f in %s; do if [ -e "$f" ] || [ -L "$f" ]; then printf '%%s\0' "$f"; fi; done`, globbed(pattern))
	var answer bounded
	code, err := r.agent.ask(ctx, text, nil, &answer)
	switch {
	case err != nil:
		return nil, err
	case answer.tooLong:
		return nil, fmt.Errorf("the answer is longer than %d MiB", maxAnswer>>20)
	case code != 0:
		return nil, said(answer.text.String(), code)
	}
	var paths []string
	for p := range strings.SplitSeq(answer.text.String(), "\x00") {
		if p != "" {
			paths = append(paths, p)
		}
	}
	return paths, nil
}
