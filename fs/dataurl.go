package fs

import (
	"encoding/base64"
	"errors"
	"mime"
	"net/url"
	"strings"
)

// isData tells whether the whole text is a data: URI.
func isData(text string) bool {
	head, _, ok := strings.Cut(text, ",")
	return ok && len(head) >= len("data:") && strings.EqualFold(head[:len("data:")], "data:") &&
		!strings.ContainsAny(head, " \t\r\n")
}

// decodeData returns what a data: URI holds.
func decodeData(text string) ([]byte, error) {
	head, body, ok := strings.Cut(text, ",")
	if !ok {
		return nil, errors.New("data: URI without a comma")
	}
	if strings.HasSuffix(strings.ToLower(head), ";base64") {
		if strings.ContainsRune(body, '%') {
			plain, err := url.PathUnescape(body)
			if err != nil {
				return nil, err
			}
			body = plain
		}
		return base64.RawStdEncoding.DecodeString(strings.TrimRight(body, "="))
	}
	plain, err := url.PathUnescape(body)
	return []byte(plain), err
}

// dataExtension is the extension for the type that a data: URI names.
func dataExtension(text string) string {
	head, _, _ := strings.Cut(text[len("data:"):], ",")
	kind, _, err := mime.ParseMediaType(strings.TrimSuffix(head, ";base64"))
	if err != nil {
		return ".bin"
	}
	if ext, ok := extensions[kind]; ok {
		return ext
	}
	return ".bin"
}

// extensions are our own: the system's tables differ from machine to machine,
// and a name must not.
var extensions = map[string]string{
	"application/gzip":       ".gz",
	"application/json":       ".json",
	"application/pdf":        ".pdf",
	"application/x-tar":      ".tar",
	"application/zip":        ".zip",
	"audio/aac":              ".aac",
	"audio/flac":             ".flac",
	"audio/mp4":              ".m4a",
	"audio/mpeg":             ".mp3",
	"audio/ogg":              ".ogg",
	"audio/wav":              ".wav",
	"audio/webm":             ".weba",
	"audio/x-wav":            ".wav",
	"image/avif":             ".avif",
	"image/bmp":              ".bmp",
	"image/gif":              ".gif",
	"image/heic":             ".heic",
	"image/jpeg":             ".jpg",
	"image/jpg":              ".jpg",
	"image/png":              ".png",
	"image/svg+xml":          ".svg",
	"image/tiff":             ".tiff",
	"image/webp":             ".webp",
	"image/x-icon":           ".ico",
	"model/gltf-binary":      ".glb",
	"model/gltf+json":        ".gltf",
	"model/obj":              ".obj",
	"model/stl":              ".stl",
	"text/css":               ".css",
	"text/csv":               ".csv",
	"text/html":              ".html",
	"text/markdown":          ".md",
	"text/plain":             ".txt",
	"text/vtt":               ".vtt",
	"video/mp4":              ".mp4",
	"video/mpeg":             ".mpeg",
	"video/quicktime":        ".mov",
	"video/webm":             ".webm",
	"video/x-matroska":       ".mkv",
	"video/x-msvideo":        ".avi",
	"application/x-subrip":   ".srt",
	"application/xml":        ".xml",
	"application/yaml":       ".yaml",
	"application/javascript": ".js",
}
