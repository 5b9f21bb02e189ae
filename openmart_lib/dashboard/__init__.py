"""What the pages are made of: the only part of the library that imports streamlit.

A page in ``pages/`` is read from top to bottom and calls one module here per part of the screen, most often
its ``show``. Read ``main`` (run first for every page), ``resources``, ``widgets``, then a page.

    main, browser, lifespan, routes, resources: every page's frame, the server's life, large files, what is
        shared
    widgets, words, charts, strip, url_state, background: pieces of every page; jobs that outlive a rerun
    drafts, submit_draft: an upload and its choices until they are submitted
    submit_file, submit_preview, submit_homecoming: Submit, step 1, the file
    submit_columns, submit_remembered: step 2, the columns
    submit_check, submit_rows, submit_table, submit_fixes, submit_rejects, submit_several: step 3, the rows
    submit_lance, submit_spared: step 3, what Lance already knows
    submit_options, submit_plan: step 4, the options; and from choices to a checked list and to a run
    submit_confirm, submit_spending, submit_reuse: step 5, the money, and the one button
    monitor_view, run_card, run_pace, batch_table, balance_view, run_picker, attach_view: Monitor
    attention, held_box, limit_box, pilot_box, stop_box: what needs a person: a box per cause, on Monitor
    unknown_box, refused_box, stalled_box, missing_box: the same for batches that are not as they should be
    results_frames, results_filters, results_facets, results_ranking, results_columns: Results, which lines
    results_view, results_pictures, results_charts, results_table, row_story, results_unmatched: what is seen
    results_download, results_prepared, results_receipt, results_erase: what is taken away, or deleted
    results_again, results_chain, results_together: more than one run
    lance_form, lance_cards, lance_open, lance_table, lance_charts, lance_downloads, lance_words: Lance
    settings_checks, suppression_view: Settings
"""
