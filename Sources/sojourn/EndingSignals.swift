import EventLoop
import Glibc
import NIOPosix

/// Ends the process at SIGTERM or SIGINT, with 128 and the signal, as a shell tells it, unless `cleanUp` does so itself.
///
/// Somebody has to wait for them, and has a thread for it.
func endAtSignals(_ cleanUp: @escaping @Sendable () -> Void) {
    let thread = NIOThreadPool(numberOfThreads: 1)
    thread.start()
    thread.submit { _ in
        guard let loop = try? Loop() else { return }
        let sources = [SIGTERM, SIGINT].map { signal in
            try? SignalSource(loop: loop, signal: signal) {
                cleanUp()
                _exit(128 + signal)
            }
        }
        withExtendedLifetime(sources) { loop.run() }
    }
}
