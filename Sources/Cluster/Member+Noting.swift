/// What is told of items that are read, or live longer, and stay what they are.
extension Member {
    private static var interval: UInt64 { 1_000_000 }

    /// Once a second, or when there are many.
    func attendNotes(now: UInt64) {
        let isTime = now >= notedAt + Self.interval
        if isTime { notedAt = now }
        for peer in notes.keys.sorted() where isTime || notes[peer]?.areMany == true {
            // They wait for somebody who is away: whoever gives it up makes new states of them.
            guard pairs[peer]?.isLinked == true, let keys = notes[peer]?.send() else { continue }
            for start in stride(from: 0, to: keys.count, by: Notes.countMax) {
                let some = keys[start..<min(keys.count, start + Notes.countMax)]
                let found = some.compactMap { store.note(of: $0) }
                guard !found.isEmpty else { continue }
                counts.notesSent += UInt64(found.count)
                effects.append(.send(peer: peer, .notes(found)))
            }
        }
    }

    func take(_ notes: [Note]) {
        counts.notesApplied += UInt64(notes.count)
        for note in notes { store.apply(note) }
    }

    /// A peer that may not have been told has been given up: so that it is told when it comes back, these states become
    /// later ones.
    func raiseUntold(_ peer: Int) {
        for key in notes[peer]?.takeUntold() ?? []
        where !operations.isUnsettled(key) && store.note(of: key) != nil {
            _ = store.raise(key, above: .none)
        }
    }
}
