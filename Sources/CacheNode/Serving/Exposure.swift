import EventLoop

/// What an operator is told about listening where others can come: whoever reaches a session store's port
/// is every user.
struct Exposure {
    /// Where nobody has to say who they are.
    private var openPlaces: [String] = []
    /// Where sessions and passwords can be read on their way.
    private var clearPlaces: [String] = []

    /// - Parameter listening: where the space listens.
    init(of listening: [SecuredSocket], _ space: Space) {
        let tls = space.configuration.tls
        let authentication = space.authentication
        for place in listening where !place.socket.address.isLocal {
            let verification = place.security.verification(tls)
            let name = place.socket.address.description
            let asksForCertificates = verification == .require || verification == .requireOnce
            if authentication?.hasPasswords != true, !asksForCertificates {
                openPlaces.append(name)
            }
            if verification == nil { clearPlaces.append(name) }
        }
    }

    /// Nothing where there is nothing to say.
    var sentence: String? {
        var parts: [String] = []
        if !openPlaces.isEmpty {
            parts.append(
                "whoever reaches \(openPlaces.joined(separator: ", ")) can read, change and remove every "
                    + "session: give -Y FILE (users and passwords), or -Z with certificates of clients"
            )
        }
        if !clearPlaces.isEmpty {
            parts.append(
                "sessions can be read on their way to \(clearPlaces.joined(separator: ", ")), which is "
                    + "clear text: give -Z")
        }
        return parts.isEmpty ? nil : parts.joined(separator: "; ") + "; or listen on 127.0.0.1"
    }
}
