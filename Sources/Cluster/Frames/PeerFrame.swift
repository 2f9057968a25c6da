/// What members send each other, beside their statements.
package enum PeerFrame: Equatable, Sendable {
    /// A request for somebody who decides, or knows who does. `hops` counts the members that passed it on.
    case forward(Request, hops: UInt8)
    case outcome(OperationNumber, Outcome)
    /// The sender has not carried it out, and will not: as far as it knows the receiver decides.
    case decline(OperationNumber)
    /// A change that the sender has made, which it acknowledges when this is.
    case replicate(sequence: UInt32, OperationNumber, Outcome?, KeyState)
    /// The same of a key that is not the receiver's: some of those that are to have a copy are away.
    case keep(sequence: UInt32, OperationNumber, Outcome?, KeyState)
    case acknowledge(sequence: UInt32)
    /// What is known here is later than what was to be replicated.
    case refuse(sequence: UInt32, Stamp)
    /// A change that nobody waits for.
    case inform(OperationNumber?, Outcome?, KeyState)
    /// On states that both have.
    case notes([Note])
    /// What the receiver has of a key is asked for.
    case fetch(OperationNumber, key: [UInt8])
    case fetched(OperationNumber, KeyState?)
    /// Everything that the sender did not wait for was sent before it.
    case barrier(since: UInt64)
    /// Everything with an earlier stamp goes. Without a stamp: what the receiver's clock has come to is asked for.
    /// Whom the sender has asked, too, is said, so that the receiver asks the others.
    case flush(OperationNumber, Stamp, asked: MemberSet)
    /// It has, and this is what the clock has come to.
    case flushed(OperationNumber, clock: UInt64)
    /// All that both own is to be compared. The member with the lower number says which attempt it is; the other
    /// one only asks for one.
    case compare(round: UInt32)
    case digests(round: UInt32, [UInt64])
    case list(round: UInt32, range: UInt16, [ListedState])
    case want(round: UInt32, range: UInt16, hashes: [UInt64])
    /// Everything that differed has been sent.
    case exchanged(round: UInt32)
    /// What is compared from now on is what both own by these generations.
    case sharing(GenerationSpan)
    /// Everything that the sender has decided on by the generation before was sent before it.
    case moved(Word)
    /// A generation of the definition that the sender knows.
    case definition(DefinitionNotice)
    /// The text of one is asked for.
    case ask(generation: UInt64)
}
