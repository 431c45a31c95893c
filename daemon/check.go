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

// Check is what would keep a job from being run here and now, by l, which is
// unattended: its firing is prepared as far as it can be without a connection, and
// without a password. What is only odd goes to l.Warn.
func Check(ctx context.Context, l *runner.Launch, k *scheduler.StoredJob) []error {
	if k.Broken != nil {
		return []error{fmt.Errorf("cannot be read: %w", k.Broken)}
	}
	if err := k.Validate(jobs.Rules(time.Time{})); err != nil {
		return []error{err} // the rest would say the same again
	}
	var problems []error
	for _, err := range []error{checkSecretFile(k.Notify.SecretFile), l.Check(ctx, k)} {
		if err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// maxSecretFile is far more than a key has that signs messages.
const maxSecretFile = 4 << 10

// checkSecretFile refuses a key that cannot be read, or that everybody can read.
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
	defer func() { _ = f.Close() }() // it was only read
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
