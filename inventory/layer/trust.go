package layer

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tutti/internal/safefile"
)

// checkDirectory returns an error if a user other than this one and root may replace
// the file at path: if another user owns its directory or can write it. In a sticky
// directory, such as /tmp, only the owners of the file and of the directory can.
func checkDirectory(path string) error {
	directory := filepath.Dir(path)
	info, err := os.Stat(directory)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	if err := safefile.CheckWriters(info); err != nil {
		return fmt.Errorf("its directory %s is not safe: %w", directory, err)
	}
	return nil
}
