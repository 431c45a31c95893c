package shell

import (
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tutti/transfer"
)

var (
	// statRecord is what look and list print where there is a stat.
	statRecord = regexp.MustCompile(`(?s)(gnu|bsd) ([0-9a-f]+) (\d+) (-?\d+) (\d+) (\d+) (?:\./)?([^/]*)/\n`)
	// lsLine is what ls -ldn prints, which is not the same everywhere.
	lsLine = regexp.MustCompile(`^([-bcdlpsD])([-rwxsStT]{9})\S*\s+\d+\s+(\d+)\s+(\d+)\s+(\d+)\s.*?(?:\s\./([^/]*?)(?: -> .*)?)?$`)
)

// parseEntries reads what look and list print.
func parseEntries(text []byte) []transfer.Entry {
	var entries []transfer.Entry
	if m := statRecord.FindAllSubmatch(text, -1); m != nil {
		for _, record := range m {
			if e, ok := statEntry(record); ok {
				entries = append(entries, e)
			}
		}
		return entries
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		if m := lsLine.FindStringSubmatch(line); m != nil {
			entries = append(entries, lsEntry(m))
		}
	}
	return entries
}

func statEntry(record [][]byte) (transfer.Entry, bool) {
	base := 16
	if string(record[1]) == "bsd" {
		base = 8
	}
	mode, err := strconv.ParseUint(string(record[2]), base, 32)
	if err != nil {
		return transfer.Entry{}, false
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(string(record[i]), 10, 64) // too large is 0 or the largest
		return n
	}
	return transfer.Entry{
		Name: string(record[7]), Mode: modeOf(uint32(mode)), Size: number(3),
		Time: time.Unix(number(4), 0), UID: int(number(5)), GID: int(number(6)),
	}, true
}

// modeOf is the mode of a Unix system.
func modeOf(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode >> 12 {
	case 0o10:
		return m
	case 0o04:
		return m | fs.ModeDir
	case 0o12:
		return m | fs.ModeSymlink
	case 0o14:
		return m | fs.ModeSocket
	case 0o01:
		return m | fs.ModeNamedPipe
	case 0o02:
		return m | fs.ModeDevice | fs.ModeCharDevice
	case 0o06:
		return m | fs.ModeDevice
	}
	return m | fs.ModeIrregular
}

func lsEntry(m []string) transfer.Entry {
	types := map[string]fs.FileMode{"-": 0, "d": fs.ModeDir, "l": fs.ModeSymlink, "b": fs.ModeDevice, "c": fs.ModeDevice | fs.ModeCharDevice, "p": fs.ModeNamedPipe, "s": fs.ModeSocket, "D": fs.ModeIrregular}
	mode := types[m[1]]
	for i, c := range m[2] {
		if c != '-' && c != 'S' && c != 'T' {
			mode |= 1 << (8 - i)
		}
	}
	size, _ := strconv.ParseInt(m[5], 10, 64) // too large is the largest
	uid, _ := strconv.Atoi(m[3])
	gid, _ := strconv.Atoi(m[4])
	return transfer.Entry{Name: m[6], Mode: mode, Size: size, UID: uid, GID: gid}
}
