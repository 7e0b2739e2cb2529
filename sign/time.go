package sign

import "time"

// Layouts of the S3 API reference.
const (
	longLayout  = "20060102T150405Z"
	shortLayout = "20060102"
)

func appendDay(dst []byte, t time.Time) []byte {
	y, m, d := t.Date()
	dst = append(dst, byte('0'+y/1000%10), byte('0'+y/100%10))
	return append2(append2(append2(dst, y%100), int(m)), d)
}

// appendLong appends a UTC time as yyyyMMdd'T'HHmmss'Z'.
func appendLong(dst []byte, t time.Time) []byte {
	dst = append(appendDay(dst, t), 'T')
	h, m, s := t.Clock()
	return append(append2(append2(append2(dst, h), m), s), 'Z')
}

func append2(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// parseLong parses yyyyMMdd'T'HHmmss'Z' and nothing else.
func parseLong(s string) (time.Time, bool) {
	if len(s) != len(longLayout) || s[8] != 'T' || s[15] != 'Z' {
		return time.Time{}, false
	}
	y, ok1 := digits(s[0:4])
	mo, ok2 := digits(s[4:6])
	d, ok3 := digits(s[6:8])
	h, ok4 := digits(s[9:11])
	mi, ok5 := digits(s[11:13])
	sec, ok6 := digits(s[13:15])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) || h > 23 || mi > 59 || sec > 59 {
		return time.Time{}, false
	}
	// time.Date would normalise the 31st of February; S3 does not.
	if mo < 1 || mo > 12 || d < 1 || d > daysIn(y, mo) {
		return time.Time{}, false
	}
	return time.Date(y, time.Month(mo), d, h, mi, sec, 0, time.UTC), true
}

// daysIn returns the number of days in a month of the Gregorian calendar.
func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

func digits(s string) (n int, ok bool) {
	for i := 0; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, s != ""
}

// isoTime writes a time as S3's error bodies do.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
