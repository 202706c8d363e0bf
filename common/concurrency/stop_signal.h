// SIGINT and SIGTERM as something to wait for. Block the signals in main before any thread starts.
#pragma once

namespace conclave {

// Blocks SIGINT, SIGTERM (and ignores SIGPIPE) in the calling thread and all threads it starts
// later.
void BlockStopSignals();

// Waits for one of them and returns its number.
int WaitForStopSignal();

}  // namespace conclave
