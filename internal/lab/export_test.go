package lab

// RecordKeep is the step of Keep that moves the incumbent: tests call it with a
// reading of the ledger that has grown old.
var RecordKeep = recordKeep
