package scheduler

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // whether a zone exists must not depend on the machine

	"tutti/internal/yamltree"
)

// zoneNames are the names of the time zone database, a line each, from which errors
// suggest the nearest.
//
//go:embed zones.txt
var zoneNames string

// abbreviation matches abbreviations that users mistake for zone names: PST, EDT, MESZ.
var abbreviation = regexp.MustCompile(`^[A-Za-z]{2,5}$`)

// offset matches a distance from UTC: +02:00, UTC-5, GMT+1.
var offset = regexp.MustCompile(`^(?:[A-Za-z]{3})?[+-][0-9]{1,2}(?::?[0-9]{2})?$`)

// LoadZone returns the time zone of the given IANA name, such as Europe/Berlin. The
// error about an unknown name suggests the nearest.
func LoadZone(name string) (*time.Location, error) {
	switch name {
	case "":
		return nil, errors.New("empty time zone")
	case "Local", "localtime", "posixrules":
		return nil, fmt.Errorf("%q depends on the machine; write a name such as Europe/Berlin", name)
	}
	zone, err := time.LoadLocation(name)
	if err == nil {
		return zone, nil
	}
	return nil, fmt.Errorf("unknown time zone %q; %s", name, zoneHint(name))
}

func zoneHint(name string) string {
	known := strings.Fields(zoneNames)
	asName := strings.ReplaceAll(strings.TrimSpace(name), " ", "_")
	for _, k := range known {
		_, city, _ := strings.Cut(k, "/")
		if strings.EqualFold(k, asName) || strings.EqualFold(city, asName) {
			return fmt.Sprintf("did you mean %q?", k)
		}
	}
	switch {
	case offset.MatchString(name):
		return "write a name such as Europe/Berlin, which has daylight saving; a fixed offset is Etc/GMT-2, two hours east"
	case abbreviation.MatchString(name):
		return "the abbreviation is ambiguous; write a name such as Europe/Berlin"
	}
	if near := yamltree.Nearest(asName, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "want a name such as Europe/Berlin or UTC"
}

// MachineZone returns the name of the machine's time zone: $TZ, else the target of the
// link /etc/localtime, else the content of /etc/timezone, else UTC. A zone without a
// name is an error, because jobs store their zone by name.
func MachineZone(getenv func(string) string) (string, error) {
	return machineZone(getenv, os.DirFS("/"))
}

// machineZone is MachineZone with the machine's files in root.
func machineZone(getenv func(string) string, root fs.FS) (string, error) {
	if tz := getenv("TZ"); tz != "" {
		name := zoneOfPath(strings.TrimPrefix(tz, ":"))
		if _, err := LoadZone(name); err != nil {
			return "", fmt.Errorf("$TZ: %w", err)
		}
		return name, nil
	}
	if link, err := fs.ReadLink(root, "etc/localtime"); err == nil {
		if name := zoneOfPath(link); validZone(name) {
			return name, nil
		}
	}
	if text, err := fs.ReadFile(root, "etc/timezone"); err == nil {
		if name := strings.TrimSpace(string(text)); validZone(name) {
			return name, nil
		}
	}
	if _, err := fs.Stat(root, "etc/localtime"); errors.Is(err, fs.ErrNotExist) {
		return "UTC", nil
	}
	return "", errors.New("cannot determine this machine's time zone: /etc/localtime does not link to zoneinfo, and /etc/timezone names none")
}

// zoneOfPath is the name of the zone in a path into a zoneinfo directory.
func zoneOfPath(path string) string {
	if _, name, ok := strings.Cut(path, "/zoneinfo/"); ok {
		path = name
	}
	for _, variant := range []string{"posix/", "right/"} {
		path = strings.TrimPrefix(path, variant)
	}
	return path
}

func validZone(name string) bool {
	_, err := LoadZone(name)
	return err == nil
}
