package limits

// otherNames are names in use for a type that the library knows by another.
var otherNames = map[string]string{
	"application/csv":             "text/csv",
	"application/ecmascript":      jsType,
	"application/font-woff":       "font/woff",
	"application/font-woff2":      "font/woff2",
	"application/php":             phpType,
	"application/x-httpd-php":     phpType,
	"application/x-json":          "application/json",
	"application/x-msdownload":    "application/vnd.microsoft.portable-executable",
	"application/x-php":           phpType,
	"application/x-compressed":    zipType,
	"audio/m4a":                   "audio/x-m4a",
	"audio/x-aac":                 "audio/aac",
	"audio/x-flac":                "audio/flac",
	"audio/x-mp3":                 "audio/mpeg",
	"image/jpg":                   "image/jpeg",
	"image/pjpeg":                 "image/jpeg",
	"image/svg":                   svgType,
	"image/tif":                   "image/tiff",
	"image/vnd.microsoft.icon":    "image/x-icon",
	"image/x-png":                 "image/png",
	"text/ecmascript":             jsType,
	"text/json":                   "application/json",
	"text/php":                    phpType,
	"text/x-csv":                  "text/csv",
	"text/comma-separated-values": "text/csv",
}

// active are the types, besides those of XML, that can carry scripts.
var active = [...]string{htmlType, svgType, phpType, jsType, "text/x-shellscript", "text/x-python",
	"text/x-perl", "text/x-ruby", "text/x-lua", "text/x-tcl"}

// programs are the types of what runs.
var programs = [...]string{"application/vnd.microsoft.portable-executable", "application/x-elf", "application/x-mach-binary",
	"application/x-java-applet", "application/java-archive", "application/vnd.android.package-archive",
	"application/x-shockwave-flash", "application/wasm", "application/x-ms-shortcut", "application/x-ms-installer",
	"application/x-chrome-extension"}

// signed are the types of which every file begins with a signature that the
// library finds, and those below them in its tree. A type of which some files
// have none, or have it late, is not among them: MP3 without a tag, old tar
// and BMP, fragments of MP4, fonts of Apple.
var signed = [...]string{
	"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/heic", "image/heic-sequence", heifType,
	"image/heif-sequence", "image/jxl", "image/x-icon", "image/vnd.adobe.photoshop", "image/x-xcf", "image/vnd.djvu",
	"audio/flac", "audio/amr", "application/ogg",
	"video/webm", "video/matroska", "video/x-flv", "video/x-ms-asf",
	pdfType, zipType, oleType, "application/vnd.sqlite3",
	"application/gzip", "application/x-xz", "application/x-bzip2", "application/x-7z-compressed", "application/vnd.rar",
	"application/zstd", "application/lzip", "application/x-archive", "application/x-rpm", "application/vnd.ms-cab-compressed",
	"font/woff", "font/woff2",
	"application/vnd.microsoft.portable-executable", "application/x-elf", "application/wasm",
}

// textual are types of text that the library does not keep below text/plain.
var textual = [...]string{"application/postscript", "application/x-bittorrent", "application/vnd.apple.mpegurl",
	"audio/mpegurl", "application/x-mpegurl", "image/vnd.dxf", "image/x-xpixmap", "image/vnd.radiance",
	"application/pkcs7-signature", "application/fits", "image/fits", "application/vnd.fdf"}

// guessed are kinds of text that are told by their looks alone, so that they
// are held against no other kind.
var guessed = [...]string{textType, "text/csv", "text/tab-separated-values", "application/json", "application/geo+json",
	"model/gltf+json", "application/vnd.cyclonedx+json", "application/x-ndjson", "application/x-subrip", "message/rfc822",
	"image/x-portable-bitmap", "image/x-portable-graymap", "image/x-portable-pixmap", "image/x-portable-arbitrarymap"}

// tagged are types, besides MP3, whose files may begin with an ID3 tag.
var tagged = [...]string{"audio/aac", "audio/flac", "audio/ape", "audio/musepack"}

// alike are types that share a container or a way to begin, so that leading
// bytes cannot always tell one from another.
var alike = [...][]string{
	{"video/mp4", "video/quicktime", "video/x-m4v", "video/3gpp", "video/3gpp2", "video/mj2", "video/vnd.dvb.file", "audio/mp4", "audio/x-m4a"},
	{"image/avif", "image/heic", "image/heic-sequence", heifType, "image/heif-sequence"},
	{"image/jp2", "image/jpx", "image/jpm"},
	{"video/webm", "video/matroska"},
	{"application/ogg", "audio/ogg", "video/ogg"},
	{"font/ttf", "font/otf", "font/collection"},
	{"application/x-object", "application/x-executable", "application/x-sharedlib", "application/x-coredump"},
	{"application/java-archive", "application/vnd.android.package-archive"},
	{jsType, "text/x-shellscript", "text/x-python", "text/x-perl", "text/x-ruby", "text/x-lua", "text/x-tcl"},
}

// mayHold are types of which some files are what another type is: encrypted
// office documents are compound files, and some names stand for two formats.
var mayHold = map[string][]string{
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   {oleType},
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         {oleType},
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": {oleType},
	"application/vnd.ms-visio.drawing.main+xml":                                 {oleType},
	"application/vnd.ms-package.3dmanufacturing-3dmodel+xml":                    {zipType},
	"application/x-amf":        {zipType},
	"application/msword":       {rtfType},
	"application/postscript":   {pdfType}, // Illustrator's
	"image/x-icon":             {"image/png"},
	"application/vnd.ms-excel": {textType, "text/csv", "text/tab-separated-values"},
}
