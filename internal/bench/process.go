package bench

import "time"

// A Sample is what processes had used at an instant: they and all their
// children together.
type Sample struct {
	User, System time.Duration
	// Resident is the memory in bytes, Peak the sum of each process's most.
	Resident, Peak int64
	// Read and Written are bytes that went between the process and the disk,
	// or the page cache on its way there (proc_pid_io(5)); zero where this
	// program may not know.
	Read, Written int64
	// ReadCalls and WriteCalls are system calls that read and write.
	ReadCalls, WriteCalls int64
}

// Usage is what processes used over a time.
type Usage struct {
	UserSeconds   float64 `json:"userSeconds"`
	SystemSeconds float64 `json:"systemSeconds"`
	// Resident and Peak are the memory in bytes at the end.
	Resident int64 `json:"residentBytes"`
	Peak     int64 `json:"peakResidentBytes"`
	Read     int64 `json:"diskReadBytes"`
	Written  int64 `json:"diskWrittenBytes"`

	ReadCalls  int64 `json:"readCalls"`
	WriteCalls int64 `json:"writeCalls"`
}

// CPU is the processor time in seconds.
func (u *Usage) CPU() float64 { return u.UserSeconds + u.SystemSeconds }

func usage(before, after *Sample) *Usage {
	return &Usage{
		UserSeconds: (after.User - before.User).Seconds(), SystemSeconds: (after.System - before.System).Seconds(),
		Resident: after.Resident, Peak: after.Peak,
		Read: after.Read - before.Read, Written: after.Written - before.Written,
		ReadCalls: after.ReadCalls - before.ReadCalls, WriteCalls: after.WriteCalls - before.WriteCalls,
	}
}
