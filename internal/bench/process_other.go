//go:build !linux

package bench

import (
	"errors"
	"time"
)

// TakeSample needs Linux's /proc.
func TakeSample([]int) (*Sample, error) {
	return nil, errors.New("the use of processor and memory by other processes can be read on Linux only")
}

// ownCPU is not known here.
func ownCPU() time.Duration { return 0 }

func processorAndKernel() (processor, kernel string) { return "", "" }
