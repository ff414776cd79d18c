package main

import (
	"fmt"
	"os"
	"path/filepath"

	"ratchet/internal/research"
	"ratchet/internal/simulate"
)

// The recordings that the evidence rests on, made by `make nights` and
// `make evidence-wordfreq`.
const (
	nightsName   = "evidence-nights.jsonl"
	wordfreqName = "evidence-wordfreq.jsonl"
)

// recorded adds what was recorded on a real machine to the report: the nights
// as they were, and the samples with what every rule makes of them.
func (s *simulation) recorded(report *simulate.Report) error {
	if s.recordings == "" {
		return nil
	}

	text, err := s.recording(nightsName)
	if err != nil {
		return err
	}

	if report.Played, err = simulate.ParseNights(text); err != nil {
		return fmt.Errorf("read %s: %w", nightsName, err)
	}

	if text, err = s.recording(wordfreqName); err != nil {
		return err
	}

	rec, err := simulate.ParseRecording(text)
	if err != nil {
		return fmt.Errorf("read %s: %w", wordfreqName, err)
	}
	report.Recording, report.Replayed = &rec, simulate.ReplayRecording(rec, simulate.ReplayNights)

	return nil
}

func (s *simulation) recording(name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(s.recordings, name))
	if err != nil {
		return nil, research.Errorf(research.CodeBadArgument,
			"name the folder that holds "+nightsName+" and "+wordfreqName, "read a recording: %w", err)
	}

	return text, nil
}
