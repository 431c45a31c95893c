package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// assets are the files in static. Their address has the hash of all of them, so that a
// browser may keep them for ever, and modules find one another in their own directory.
type assets struct {
	hash  string
	files map[string]asset
}

// An asset is a file as it is sent.
type asset struct {
	kind            string
	plain, squeezed []byte
}

// kinds are the types of the files, by the end of their names.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".mjs": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func readAssets() *assets {
	a := &assets{files: map[string]asset{}}
	sum := sha256.New()
	err := fs.WalkDir(staticFiles, "static", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := staticFiles.ReadFile(file)
		if err != nil || kinds[path.Ext(file)] == "" { // a licence
			return err
		}
		sum.Write([]byte(file))
		sum.Write(data)
		a.files[path.Base(file)] = asset{kinds[path.Ext(file)], data, squeeze(data)}
		return nil
	})
	if err != nil {
		panic(err) // they are in the program
	}
	a.hash = hex.EncodeToString(sum.Sum(nil)[:8])
	return a
}

// squeeze is data as gzip.
func squeeze(data []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one
	_, _ = w.Write(data)                                  // into memory
	_ = w.Close()
	return b.Bytes()
}

func (a *assets) path(name string) string { return "/static/" + a.hash + "/" + name }

// ServeHTTP answers with a file. The address of another version is none: a page that is
// still open gets its files from its own cache, and new ones with a new page.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, known := a.files[r.PathValue("name")]
	if !known || r.PathValue("hash") != a.hash {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "no such file in this version", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Security-Policy", "default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Vary", "Accept-Encoding")
	data := file.plain
	if takesGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		data = file.squeezed
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(data) // the browser may have gone
	}
}

// takesGzip reports whether a client wants gzip.
func takesGzip(accept string) bool {
	for one := range strings.SplitSeq(accept, ",") {
		name, parameter, _ := strings.Cut(strings.TrimSpace(one), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") && !strings.HasPrefix(strings.TrimSpace(parameter), "q=0") {
			return true
		}
	}
	return false
}
