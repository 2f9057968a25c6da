/// Who else can read, change or guess what it has.
extension Check {
    static let certificateSecondsMin = 30 * 86_400
    static let certificateSecondsDanger = 7 * 86_400

    static let safety = [
        Check("open-to-others") { node in
            let addresses = node.outerAddresses
            guard !addresses.isEmpty, node.isOurs, !node.asksForLogin else { return nil }
            return Finding(
                .danger,
                "whoever reaches \(addresses.joined(separator: ", ")) can read, change and flush all sessions: no login "
                    + "is asked for",
                do:
                    "-Y FILE for users, -o ssl_verify_mode=2 for certificates, or listen on 127.0.0.1 with a front or a tunnel"
            )
        },
        Check("clear-text") { node in
            let tls = node.settings["ssl_enabled"] == "yes"
            let bare = node.outerAddresses.filter { !tls || $0.hasPrefix("notls:") }
            guard node.isOurs, !bare.isEmpty else { return nil }
            return Finding(
                .warning,
                "sessions, and passwords, go over the network in clear text at \(bare.joined(separator: ", "))",
                do: "-Z with ssl_chain_cert and ssl_key, unless the network is the nodes' own")
        },
        Check("keys-shown") { node in
            guard node.settings["dump_enabled"] == "yes", node.settings["domain_socket"] == "NULL",
                !node.outerAddresses.isEmpty
            else { return nil }
            return Finding(
                .danger,
                "keys, which are logins, are shown to whoever connects from elsewhere (-o show_keys)",
                do: "leave out -o show_keys: on a Unix socket keys are shown without it")
        },
        Check("shutdown-command") { node in
            guard node.settings["shutdown_command"] == "yes" else { return nil }
            return Finding(
                .warning, "any client can end it (-A)", do: "leave out -A")
        },
        Check("certificate") { node in
            certificate(node, "ssl_cert_seconds_left", "clients", "then refresh_certs or SIGHUP")
        },
        Check("members-certificate") { node in
            certificate(node, "members_cert_seconds_left", "the other nodes", "then SIGHUP")
        },
        Check("guessing") { node in
            let count = node.number("auth_slowed_addresses")
            guard count > 0 else { return nil }
            return Finding(
                .warning, "logins from \(count) addresses fail, and are slowed down",
                do:
                    "its log has the addresses: an application with an old password, or somebody who guesses"
            )
        },
        Check("root") { node in
            guard node.process?.userID == 0 else { return nil }
            return Finding(
                .warning, "it runs as root", do: "-u USER, or systemd's unit, whose user is sojourn"
            )
        },
        Check("core-files") { node in
            guard let process = node.process, process.coreLimit != 0 else { return nil }
            return Finding(
                .warning, "when it dies, a core file with all sessions may be left on the disk",
                do: "leave out -r, and set LimitCORE=0 in its unit")
        },
    ]

    private static func certificate(
        _ node: NodeReading, _ name: String, _ whose: String, _ reload: String
    ) -> Finding? {
        guard let seconds = node.statistics.number(name), seconds < certificateSecondsMin else {
            return nil
        }
        return Finding(
            seconds < certificateSecondsDanger ? .danger : .warning,
            "its certificate for \(whose) ends in \(DoctorText.days(seconds))",
            do: "put a new one in the place of the old one, \(reload)")
    }
}
