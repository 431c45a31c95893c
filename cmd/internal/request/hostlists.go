package request

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"tutti/internal/fault"
	"tutti/inventory"
)

// maxHostList bounds what is read as a list of hosts.
const maxHostList = 64 << 20

// TakeHosts replaces @FILE in -w by the hosts in the file, so that the hosts themselves
// are recorded and repeated. stdinTaken says that @- has read stdin.
func TakeHosts(f *pflag.FlagSet, in io.Reader) (stdinTaken bool, err error) {
	flag := f.Lookup("hosts")
	if flag == nil || !flag.Changed {
		return false, nil
	}
	given := flag.Value.String()
	words, err := inventory.WithHostFiles(given, func(path string) ([]byte, error) {
		if path != "-" {
			return readLimited(path)
		}
		if stdin := f.Lookup("stdin"); stdin != nil && stdin.Value.String() == "-" || stdinTaken {
			return nil, errors.New("standard input cannot be both the host list and the command's input")
		}
		stdinTaken = true
		return limited(in)
	})
	if err != nil {
		return stdinTaken, fault.Usagef("-w/--hosts: %w", err)
	}
	if words == given {
		return stdinTaken, nil
	}
	return stdinTaken, f.Set("hosts", words)
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return limited(f)
}

func limited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxHostList+1))
	if err == nil && len(data) > maxHostList {
		err = fmt.Errorf("larger than %d MiB", maxHostList>>20)
	}
	return data, err
}
