import EventLoop
import Synchronization

/// A wait that may be over, on its way to its worker.
struct Resumption: Equatable, Sendable {
    let ticket: Ticket
    let ending: WaitEnding
}

extension WorkerRecord {
    /// Lets a wait of this worker's connections end, or look. From any thread, once its outcome is where
    /// its command finds it; also for a wait that is over by now.
    ///
    /// What is on its way is bounded by the waits: whoever tells does so once for each.
    ///
    /// - Parameter wakes: false on the worker's own thread, if that takes it before it waits.
    func resume(_ ticket: Ticket, _ ending: WaitEnding = .ready, wakes: Bool = true) {
        precondition(ticket.worker == number, "another worker's ticket")
        let isFirst = resumptions.withLock { resumptions in
            resumptions.append(Resumption(ticket: ticket, ending: ending))
            return resumptions.count == 1
        }
        // Of several the first has woken it up.
        if isFirst, wakes { attention.withLock { $0?.wake() } }
    }

    /// What the worker has to see to now.
    func takeResumptions() -> [Resumption] {
        resumptions.withLock { resumptions in
            defer { resumptions = [] }
            return resumptions
        }
    }

    /// For a wait that begins. Called on the worker's thread.
    func makeTicket(descriptor: Int32) -> Ticket {
        Ticket(
            worker: number, descriptor: descriptor,
            number: lastTicket.wrappingAdd(1, ordering: .relaxed).newValue)
    }
}
