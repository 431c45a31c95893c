package store

import (
	"fmt"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxRow bounds the bytes of output in one row.
	maxRow = 256 << 10
	// minCompressed is the size from which compression pays.
	minCompressed = 4 << 10
)

// The codecs of a row of output.
const (
	codecPlain   = "plain"
	codecZstd    = "zstd"
	codecOmitted = "omitted"
)

// One encoder and one decoder serve the process: each holds megabytes.
var (
	encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(maxRow),
			zstd.WithLowerEncoderMem(true))
	})
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(4*maxRow))
	})
)

// Encode returns data as stored, and its codec.
func Encode(data []byte) (codec string, kept []byte, err error) {
	if len(data) < minCompressed {
		return codecPlain, data, nil
	}
	e, err := encoder()
	if err != nil {
		return "", nil, err
	}
	if packed := e.EncodeAll(data, nil); len(packed) < len(data) {
		return codecZstd, packed, nil
	}
	return codecPlain, data, nil
}

// decode is the reverse of Encode.
func decode(codec string, kept []byte) ([]byte, error) {
	switch codec {
	case codecPlain:
		return kept, nil
	case codecZstd:
		d, err := decoder()
		if err != nil {
			return nil, err
		}
		return d.DecodeAll(kept, nil)
	}
	return nil, fmt.Errorf("unknown codec %q", codec)
}

// Decode decodes a piece of output: its bytes, or the number of bytes missing at its
// place.
func Decode(codec string, value any) (data []byte, omitted int64, err error) {
	switch v := value.(type) {
	case int64:
		if codec == codecOmitted {
			return nil, v, nil
		}
	case []byte:
		data, err = decode(codec, v)
		return data, 0, err
	}
	return nil, 0, fmt.Errorf("a row with codec %s holds %s", codec, strings.TrimPrefix(fmt.Sprintf("%T", value), "*"))
}

// PrunedError is the error of who reads a run that was pruned meanwhile.
func PrunedError(run int64) error { return fmt.Errorf("run %d was pruned while it was read", run) }

// DecodePiece returns the bytes of a piece of the output of a host in a run.
func DecodePiece(run int64, host, codec string, value any) ([]byte, error) {
	data, _, err := Decode(codec, value)
	if err != nil {
		err = fmt.Errorf("output of %s in run %d: %w", host, run, err)
	}
	return data, err
}
