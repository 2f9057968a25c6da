/// What is told of items that are read, or live longer, and stay what they are.
extension Member {
    private static var interval: UInt64 { 1_000_000 }

    /// Once a second, or when there are many.
    func attendNotes(now: UInt64) {
        let isTime = now >= notedAt + Self.interval
        if isTime {
            notedAt = now
            // What goes to somebody who is silent may never come.
            for peer in notes.keys where hears(peer, at: now) { notes[peer]?.settle() }
        }
        for peer in notes.keys where isTime || notes[peer]?.areMany == true {
            // For somebody who is away they wait.
            guard hears(peer, at: now), let keys = notes[peer]?.send() else { continue }
            for start in stride(from: 0, to: keys.count, by: Notes.countMax) {
                let some = keys[start..<min(keys.count, start + Notes.countMax)]
                let found = some.compactMap { store.note(of: $0) }
                guard !found.isEmpty else { continue }
                counts.notesSent += UInt64(found.count)
                effects.append(.send(peer: peer, .notes(found)))
            }
        }
    }

    func take(_ notes: [Note], of peer: Int) {
        counts.notesApplied += UInt64(notes.count)
        for note in notes {
            if store.lacks(note) {
                // It was evicted here before anybody knew that it is worth keeping.
                effects.append(.send(peer: peer, .fetch(nextNumber(), key: note.key)))
            } else if completeSince == 0, isOthers(note.key) {
                store.keep(note)
            } else {
                store.apply(note)
            }
        }
    }

    func note(_ key: [UInt8], for peer: Int) {
        if notes[peer] == nil { notes[peer] = Notes() }
        guard notes[peer]?.add(key) == false else { return }
        // Only of somebody who is away for long are there so many. Who is in charge meanwhile makes a later state of it,
        // which goes with all others when the peer comes back.
        guard pairs[peer]?.isInCharge == true, !operations.isUnsettled(Operation.hash(of: key))
        else { return }
        _ = store.raise(key, above: .none)
    }
}
