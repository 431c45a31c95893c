package runner

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"slices"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/internal/safefile"
	"tutti/output"
	"tutti/transfer"
	"tutti/transfer/sftp"
	"tutti/transfer/shell"
)

// transferRetries is how often a transfer is repeated on a host unless something else is
// said: it is safe to repeat.
const transferRetries = 2

// A CopyRequest says what to copy to the hosts.
type CopyRequest struct {
	// Label is what people call it.
	Label   string
	Sources []string
	Dest    string
	// Trees allows directories among the sources.
	Trees bool
	// Perm, Owner, Preserve, Backup and Look are those of transfer.Copy.
	Perm                   *fs.FileMode
	Owner                  string
	Preserve, Backup, Look bool
}

// owner is a user and a group as chown reads them.
var owner = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.@\\-]*\$?)?(:[A-Za-z0-9_][A-Za-z0-9_.@\\-]*)?$`)

// IsOwner reports whether text is USER, USER:GROUP or :GROUP.
func IsOwner(text string) bool { return text != "" && owner.MatchString(text) }

// PrepareCopy reads what is to be copied.
func (env *Env) PrepareCopy(o *Task, r *CopyRequest) (*PreparedTask, error) {
	if err := transfer.CheckPath(r.Dest); err != nil {
		return nil, fault.Usage(err)
	}
	c := &transfer.Copy{
		Dest: r.Dest, Perm: r.Perm, Owner: r.Owner,
		Preserve: r.Preserve, Backup: r.Backup, Look: r.Look,
	}
	for _, name := range r.Sources {
		s, err := transfer.ReadSource(name, r.Trees)
		if tree := (*transfer.IsTreeError)(nil); errors.As(err, &tree) {
			return nil, fault.Usage(fault.Hintf(err, "%s copies directories", fault.Key("recursive")))
		}
		if err != nil {
			return nil, fault.Usage(err)
		}
		c.Sources = append(c.Sources, s)
	}
	t, err := env.Prepare(o, fanout.Task{Action: &fanout.Transfer{Label: r.Label, Sources: r.Sources, Dest: r.Dest, Mover: c}})
	if err != nil {
		return nil, err
	}
	c.Open = opener(t.Sudo, c.Owner != "", sftp.Options{}, func() int { return c.Hosts })
	return t, nil
}

// A FetchRequest says what to bring from the hosts.
type FetchRequest struct {
	// Label is what people call it.
	Label   string
	Sources []string
	// Dir gets a directory for each host.
	Dir string
	// Trees, Force, Preserve and Last are those of transfer.Fetch.
	Trees, Force, Preserve bool
	Last                   int64
}

// PrepareFetch makes the directory for what is to be fetched. The caller closes the
// transfer with CloseTransfer.
func (env *Env) PrepareFetch(o *Task, r *FetchRequest) (*PreparedTask, error) {
	for _, name := range r.Sources {
		if err := transfer.CheckPath(name); err != nil {
			return nil, fault.Usage(err)
		}
	}
	if r.Dir == "" {
		return nil, fault.Usagef("an empty name of a directory")
	}
	f := &transfer.Fetch{Sources: r.Sources, Trees: r.Trees, Force: r.Force, Preserve: r.Preserve, Last: r.Last}
	t, err := env.Prepare(o, fanout.Task{Action: &fanout.Transfer{Label: r.Label, Fetch: true, Sources: r.Sources, Dest: r.Dir, Mover: f}})
	if err != nil {
		return nil, err
	}
	f.Open = opener(t.Sudo, false, sftp.Options{ReadOnly: true}, func() int { return len(f.Names) })
	if f.Root, err = safefile.OpenDir(r.Dir); err != nil {
		t.Close()
		return nil, fault.Usage(err)
	}
	return t, nil
}

// CloseTransfer closes what a transfer has open on this machine. It must not be running
// any more.
func CloseTransfer(task fanout.Task) {
	t, _ := task.Action.(*fanout.Transfer)
	if t == nil {
		return
	}
	if f, ok := t.Mover.(*transfer.Fetch); ok {
		_ = f.Root.Close() // every file in it is closed
	}
}

// opener opens the file systems of hosts: by SFTP, or by a shell where there is none,
// or it cannot do what is needed: work as another user, and know the names of users.
func opener(sudo *fanout.Sudo, names bool, opts sftp.Options, hosts func() int) transfer.Opener {
	return func(ctx context.Context, host fanout.Sessions) (transfer.Remote, error) {
		if sudo != nil || names {
			return shell.Open(ctx, host, sudo)
		}
		helper := shell.NewHelper(ctx, host)
		opts := opts
		opts.Hosts, opts.Sums, opts.Expand = hosts(), helper.Sums, helper.Expand
		r, err := sftp.Open(ctx, host, opts)
		if errors.Is(err, sftp.ErrUnsuitable) {
			return shell.Open(ctx, host, nil)
		}
		if err != nil {
			return nil, err
		}
		return helped{r, helper}, nil
	}
}

// helped is SFTP with a shell alongside.
type helped struct {
	*sftp.Remote
	helper *shell.Helper
}

// Close ends both.
func (h helped) Close() error { return errors.Join(h.helper.Close(), h.Remote.Close()) }

// fitTransfer completes a decision to move files, now that the hosts are known.
func (d *Decision) fitTransfer(r *Request) error {
	t, ok := d.Plan.Task.Action.(*fanout.Transfer)
	if !ok {
		return nil
	}
	d.Plan.Source = "copy"
	if !r.Given("retry-on") {
		d.Plan.Policy.Retry.On = append(slices.Clone(d.Plan.Policy.Retry.On), fanout.Lost)
	}
	for i := range d.Plan.Targets {
		if l := &d.Plan.Targets[i].Limits; !r.Given("retries") && l.Retries == 0 {
			l.Retries = transferRetries
		}
	}
	switch c := t.Mover.(type) {
	case *transfer.Fetch:
		d.Plan.Source = "fetch"
		c.Names = output.FileNames(d.Plan.Targets)
	case *transfer.Copy:
		c.Hosts = len(d.Plan.Targets)
		for i := range d.Plan.Targets {
			if _, err := transfer.ExpandDest(t.Dest, &d.Plan.Targets[i]); err != nil {
				return fault.Usage(err)
			}
		}
	}
	return nil
}
