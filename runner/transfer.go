package runner

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"slices"

	"tutti/fanout"
	"tutti/internal/fault"
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
	c.Open = opener(t.Sudo, c.Owner != "", func() int { return c.Hosts })
	return t, nil
}

// opener opens the file systems of hosts: by SFTP, or by a shell where there is none,
// or it cannot do what is needed: work as another user, and know the names of users.
func opener(sudo *fanout.Sudo, names bool, hosts func() int) transfer.Opener {
	return func(ctx context.Context, host fanout.Sessions) (transfer.Remote, error) {
		if sudo != nil || names {
			return shell.Open(ctx, host, sudo)
		}
		helper := &shell.Helper{Host: host}
		r, err := sftp.Open(ctx, host, sftp.Options{Hosts: hosts(), Sums: helper.Sums, Expand: helper.Expand})
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
	if c, ok := t.Mover.(*transfer.Copy); ok {
		c.Hosts = len(d.Plan.Targets)
		for i := range d.Plan.Targets {
			if _, err := transfer.ExpandDest(t.Dest, &d.Plan.Targets[i]); err != nil {
				return fault.Usage(err)
			}
		}
	}
	return nil
}
