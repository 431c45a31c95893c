package console

import (
	"encoding/base64"
	"html"
	"html/template"
	"strconv"
	"strings"

	"tutti/api"
	"tutti/internal/sanitize"
)

// bytesOf are the bytes of a part of output.
func bytesOf(p *api.OutputPart) []byte {
	if p.Encoding != "base64" {
		return []byte(p.Data)
	}
	data, _ := base64.StdEncoding.DecodeString(p.Data) // what cannot be decoded is not there
	return data
}

// An ink is how text is printed, as the codes for colours (SGR) say it. The zero value is
// plain.
type ink struct {
	bold, dim, italic, underline, inverse bool
	fore, back                            int // 1 to 16: one of sixteen colours; 0: none
}

// classes are those of the style sheet for an ink; empty for the plain one.
func (k ink) classes() string {
	var words []string
	for _, c := range []struct {
		is   bool
		word string
	}{{k.bold, "ab"}, {k.dim, "ad"}, {k.italic, "ai"}, {k.underline, "au"}, {k.inverse, "av"}} {
		if c.is {
			words = append(words, c.word)
		}
	}
	if k.fore > 0 {
		words = append(words, "f"+strconv.Itoa(k.fore-1))
	}
	if k.back > 0 {
		words = append(words, "b"+strconv.Itoa(k.back-1))
	}
	return strings.Join(words, " ")
}

// take changes an ink by the parameters of a code.
func (k *ink) take(parameters string) {
	codes := strings.FieldsFunc(parameters, func(r rune) bool { return r == ';' || r == ':' })
	if len(codes) == 0 {
		*k = ink{}
	}
	for i := 0; i < len(codes); i++ {
		n, _ := strconv.Atoi(codes[i]) // the sanitizer lets numbers through only
		switch n {
		case 0:
			*k = ink{}
		case 38, 48:
			color, used := wide(codes[i+1:])
			i += used
			if n == 38 {
				k.fore = color
			} else {
				k.back = color
			}
		default:
			k.set(n)
		}
	}
}

// set is take for a code of one number.
func (k *ink) set(n int) {
	switch {
	case n == 1:
		k.bold = true
	case n == 2:
		k.dim = true
	case n == 3:
		k.italic = true
	case n == 4:
		k.underline = true
	case n == 7:
		k.inverse = true
	case n == 22:
		k.bold, k.dim = false, false
	case n == 23:
		k.italic = false
	case n == 24:
		k.underline = false
	case n == 27:
		k.inverse = false
	case n >= 30 && n <= 37:
		k.fore = n - 29
	case n == 39:
		k.fore = 0
	case n >= 40 && n <= 47:
		k.back = n - 39
	case n == 49:
		k.back = 0
	case n >= 90 && n <= 97:
		k.fore = n - 81
	case n >= 100 && n <= 107:
		k.back = n - 91
	}
}

// wide is the nearest of the sixteen colours for one of 256 or of all, and how many
// numbers said it.
func wide(codes []string) (color, used int) {
	number := func(i int) int {
		if i >= len(codes) {
			return 0
		}
		n, _ := strconv.Atoi(codes[i]) // numbers only
		return min(n, 255)
	}
	switch number(0) {
	case 5:
		return of256(number(1)), min(2, len(codes))
	case 2:
		return nearest(number(1), number(2), number(3)), min(4, len(codes))
	}
	return 0, min(1, len(codes))
}

func of256(n int) int {
	switch {
	case n < 16:
		return n + 1
	case n >= 232:
		level := (n-232)*10 + 8
		return nearest(level, level, level)
	}
	n -= 16
	step := func(x int) int { return x * 51 }
	return nearest(step(n/36), step(n/6%6), step(n%6))
}

// nearest is which of the sixteen colours is most like one.
func nearest(red, green, blue int) int {
	bright := max(red, green, blue)
	if bright < 64 {
		return 1
	}
	color := 0
	for bit, part := range []int{red, green, blue} {
		if part*2 > bright {
			color |= 1 << bit
		}
	}
	if bright > 192 {
		color += 8
	}
	return color + 1
}

// A printer makes HTML of output: text, and spans for colours. What a terminal would obey
// is made visible. The zero value is ready.
type printer struct {
	stream sanitize.Stream
	ink    ink
}

// html is data as HTML. It holds back what is incomplete at its end, unless it is the
// last of its stream. A span ends with its line.
func (p *printer) html(data []byte, last bool) template.HTML {
	p.stream.Colours = true
	shown := p.stream.Append(nil, data)
	if last {
		shown = p.stream.Flush(shown)
	}
	var b strings.Builder
	for text := string(shown); text != ""; {
		plain, rest, found := strings.Cut(text, "\x1b[")
		p.span(&b, plain)
		if !found {
			break
		}
		code, after, _ := strings.Cut(rest, "m")
		p.ink.take(code)
		text = after
	}
	return template.HTML(b.String()) //nolint:gosec // all text in it is escaped
}

func (p *printer) span(b *strings.Builder, text string) {
	if text == "" {
		return
	}
	classes := p.ink.classes()
	if classes == "" {
		b.WriteString(html.EscapeString(text))
		return
	}
	b.WriteString(`<span class="` + classes + `">` + html.EscapeString(text) + `</span>`)
}

// A chunk is output of one stream, or how many bytes are missing.
type chunk struct {
	Stream  string
	Text    template.HTML
	Omitted int64
}

// chunksOf are parts of output as HTML, each stream with its own ink.
func chunksOf(parts []api.OutputPart) []chunk {
	last := map[string]int{}
	for i := range parts {
		if parts[i].Omitted == 0 {
			last[parts[i].Stream] = i
		}
	}
	printers := map[string]*printer{}
	chunks := make([]chunk, len(parts))
	for i := range parts {
		p := &parts[i]
		if printers[p.Stream] == nil {
			printers[p.Stream] = &printer{}
		}
		chunks[i] = chunk{Stream: p.Stream, Omitted: p.Omitted}
		if p.Omitted == 0 {
			chunks[i].Text = printers[p.Stream].html(bytesOf(p), i == last[p.Stream])
		}
	}
	return chunks
}
