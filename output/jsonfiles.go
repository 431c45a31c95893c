package output

import (
	"bytes"
	"io"

	"tutti/api/event"
	"tutti/fanout"
)

// writeFiles writes the lines of data, which say what became of files, as events of their
// own, and what else is said as output.
func writeFiles(w io.Writer, form event.Output, data []byte) error {
	enc := newEncoder(w)
	rest := 0 // the beginning of what is no file
	for at := 0; at < len(data); {
		n := bytes.IndexByte(data[at:], '\n') + 1
		if n == 0 {
			n = len(data) - at
		}
		file, ok := fanout.ParseFile(string(bytes.TrimSuffix(data[at:at+n], []byte("\n"))))
		if ok {
			if err := writeOutput(w, form, nil, data[rest:at], false); err != nil {
				return err
			}
			if err := enc.encode(event.NewFileFinished(form, file)); err != nil {
				return err
			}
			rest = at + n
		}
		at += n
	}
	return writeOutput(w, form, nil, data[rest:], false)
}
