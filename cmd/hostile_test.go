package cmd_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// decodeEvents writes the output of one host in JSON events to a file: decoded
// EVENTS HOST stdout|stderr FILE
func decodeEvents(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: decoded EVENTS HOST stdout|stderr FILE")
	}
	var decoded bytes.Buffer
	for line := range bytes.Lines([]byte(ts.ReadFile(args[0]))) {
		var e struct{ Type, Host, Stream, Data, Encoding string }
		ts.Check(json.Unmarshal(line, &e))
		if e.Type != "output" || e.Host != args[1] || e.Stream != args[2] {
			continue
		}
		data := []byte(e.Data)
		if e.Encoding == "base64" {
			var err error
			data, err = base64.StdEncoding.DecodeString(e.Data)
			ts.Check(err)
		}
		decoded.Write(data)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), decoded.Bytes(), 0o600))
}
