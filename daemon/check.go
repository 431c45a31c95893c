package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tutti/internal/fault"
	"tutti/internal/quantity"
	"tutti/jobs"
	"tutti/runner"
	"tutti/scheduler"
)

// Check returns what would keep l, which is unattended, from running a job here and
// now: it prepares a firing up to the first connection, without a password. Oddities go
// to l.Warn.
func Check(ctx context.Context, l *runner.Launch, k *scheduler.StoredJob) []error {
	if k.Broken != nil {
		return []error{fmt.Errorf("cannot be read: %w", k.Broken)}
	}
	if err := k.Validate(jobs.Rules(time.Time{})); err != nil {
		return []error{err} // the rest would fail for the same reason
	}
	var problems []error
	for _, err := range []error{checkSecretFile(k.Notify.SecretFile), l.Check(ctx, k)} {
		if err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// maxSecretFile is far more than the size of a signing key.
const maxSecretFile = 4 << 10

// checkSecretFile refuses a key that cannot be read, or that every user can read.
func checkSecretFile(path string) error {
	if path == "" {
		return nil
	}
	if err := runner.CheckPlainFile("secret_file", path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("secret_file: %w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading only
	info, err := f.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("secret_file: %w", err)
	case info.Mode().Perm()&0o007 != 0:
		return fault.Hint(fmt.Errorf("secret_file: %s can be read by every user of this machine", path), "chmod 600 "+path)
	case info.Size() == 0 || info.Size() > maxSecretFile:
		return errors.New("secret_file: " + path + " does not contain a key: its size is " + quantity.FormatSize(info.Size()))
	}
	return nil
}
